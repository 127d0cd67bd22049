// A service that costs nearly nothing: answers every GET at once, like a record. Prints its port.
import { createServer } from "node:http";

const BODY = JSON.stringify({ id: "bench", type: "observation", data: { note: "x".repeat(900) } });

const server = createServer({ keepAliveTimeout: 65_000 }, (_req, res) => {
  res.writeHead(200, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(BODY),
  });
  res.end(BODY);
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
process.once("disconnect", () => process.exit());
