# pyLoad on a given port: it takes the address from its settings file alone.
# $1: the environment; $2: the port
set -e
data="$1/home/data"
rm -rf "$data"
mkdir -p "$data/settings"
cat > "$data/settings/pyload.cfg" <<END
version: 2

webui - "Web Interface":
	bool enabled : "Activated" = True
	ip host : "IP address" = 127.0.0.1
	int port : "Port" = $2
END
exec "$1/bin/pyload" --userdir "$data"
