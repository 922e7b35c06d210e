// Serves its folder `files` below /public.
const http = require("http");
const st = require("st");
const mount = st({ path: __dirname + "/files", url: "/public", passthrough: true, cache: false });
http.createServer((request, response) => mount(request, response, () => {
  response.writeHead(404);
  response.end("no such page");
})).listen(Number(process.argv[2]), "127.0.0.1");
