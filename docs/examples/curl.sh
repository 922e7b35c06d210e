# 1. Start scan
SCAN=$(curl -s -X POST https://secrecon.dev/api/v1/scan \
  -H "X-API-Key: sra_your_key" \
  -H "Content-Type: application/json" \
  -d '{"target":"https://example.com","scan_mode":"quick"}')

SCAN_ID=$(echo $SCAN | python3 -c "import sys,json; print(json.load(sys.stdin)['scan_id'])")
DB_ID=$(echo $SCAN | python3 -c "import sys,json; print(json.load(sys.stdin)['db_scan_id'])")

# 2. Poll status until complete
while true; do
  STATUS=$(curl -s https://secrecon.dev/api/scan/$SCAN_ID/status | python3 -c "import sys,json; print(json.load(sys.stdin)['status'])")
  echo "Status: $STATUS"
  [ "$STATUS" = "complete" ] && break
  sleep 15
done

# 3. Fetch full results
curl -s https://secrecon.dev/api/scan/$DB_ID | python3 -m json.tool
