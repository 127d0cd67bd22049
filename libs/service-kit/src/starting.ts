import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createListener } from "./listener.ts";
import { proving } from "./proof.ts";
import type { ServeOptions } from "./serve.ts";

type StartingOptions = Pick<ServeOptions, "adminPort" | "host" | "logger" | "proofKey" | "tls">;

/**
 * The admin port of a process that waits for what it cannot start without: it is alive, and not
 * ready. `away` names what it waits for. Gives what frees the port for `serve`.
 */
export async function answerWhileStarting(
  { adminPort, host = "127.0.0.1", logger, proofKey, tls }: StartingOptions,
  away: string,
): Promise<() => Promise<void>> {
  const answers: Readonly<Record<string, readonly [number, object]>> = {
    "/healthz": [200, { status: "ok" }],
    "/readyz": [503, { status: "starting", checks: { [away]: "down" } }],
  };
  const answer: RequestListener = (req, res) => {
    const [status, body] = answers[req.url ?? ""] ?? [404, {}];
    const headers = { "content-type": "application/json", "cache-control": "no-store", "retry-after": "2" };
    res.writeHead(status, headers).end(JSON.stringify(body));
  };
  const listener = createListener(
    { tls: tls ?? null, as: "adminListener", logger },
    proving(proofKey, answer),
  );
  await once(listener.listen(adminPort, host), "listening");
  return async () => {
    const closed = once(listener, "close");
    listener.close();
    listener.closeAllConnections();
    await closed;
  };
}
