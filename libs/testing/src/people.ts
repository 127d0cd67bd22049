import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { ASSERTION_HEADER, type DelegatedActor } from "@medvault/contracts";

/**
 * Stands in for auth where another service asks how people are called, as `names` says, by id, or
 * in whose name a job asks, as `delegates` says, by token. The real one is in e2e.
 */
export async function startPeople() {
  const names = new Map<string, string>();
  const delegates = new Map<string, DelegatedActor>();
  const server = createServer(async (req, res) => {
    const answer = (status: number, body: object) => {
      res.writeHead(status, { "content-type": "application/json" });
      res.end(JSON.stringify(body));
    };
    if (req.url === "/internal/delegations/current") {
      const delegate = delegates.get(String(req.headers[ASSERTION_HEADER]));
      return delegate ? answer(200, delegate) : answer(401, { code: "unauthenticated" });
    }
    const { ids } = (await json(req)) as { ids: string[] };
    const items = ids.flatMap((id) => (names.has(id) ? [{ id, name: names.get(id) }] : []));
    answer(req.url === "/internal/people" ? 200 : 404, { items });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ names, delegates },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
