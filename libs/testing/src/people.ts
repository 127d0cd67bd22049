import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/**
 * Stands in for auth where another service asks how people are called: as `names` says, by id. The
 * real one is in e2e.
 */
export async function startPeople() {
  const names = new Map<string, string>();
  const server = createServer(async (req, res) => {
    const { ids } = (await json(req)) as { ids: string[] };
    const items = ids.flatMap((id) => (names.has(id) ? [{ id, name: names.get(id) }] : []));
    res.writeHead(req.url === "/internal/people" ? 200 : 404, { "content-type": "application/json" });
    res.end(JSON.stringify({ items }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    names,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
