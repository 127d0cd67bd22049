// What the gateway is compared with: Express 5 and an undici pool that only pass everything on.
// Takes the upstream's origin, prints its port.
import { pipeline } from "node:stream/promises";
import express from "express";
import { type Dispatcher, Pool } from "undici";

const pool = new Pool(process.argv[2] ?? "", { connections: 64, pipelining: 1 });
const app = express();
app.disable("x-powered-by");
app.set("etag", false);
app.use(async (req, res) => {
  const { host: _host, connection: _connection, ...headers } = req.headers;
  const answer = await pool.request({
    method: req.method as Dispatcher.HttpMethod,
    path: req.url,
    headers,
    body: req.method === "GET" || req.method === "HEAD" ? null : req,
  });
  res.status(answer.statusCode);
  for (const [name, value] of Object.entries(answer.headers)) {
    if (name !== "connection" && name !== "keep-alive" && value !== undefined) res.setHeader(name, value);
  }
  await pipeline(answer.body, res);
});
const server = app.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
process.once("disconnect", () => process.exit());
