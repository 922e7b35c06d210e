// An API with its documentation, set up as the package's introduction shows.
const fastify = require("fastify")();
(async () => {
  await fastify.register(require("@fastify/swagger"));
  await fastify.register(require("@fastify/swagger-ui"), { routePrefix: "/documentation" });
  fastify.get("/", async () => ({ hello: "world" }));
  await fastify.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
})();
