// An empty site.
process.chdir(__dirname);
require("total.js").http("debug", { ip: "127.0.0.1", port: Number(process.argv[2]) });
