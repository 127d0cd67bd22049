import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { type Actor, ASSERTION_HEADER, type AuditEventView, newId } from "@medvault/contracts";
import { listening, testAssertions } from "@medvault/testing";
import type { Express } from "express";

/** One server-sent event, or an id alone. */
interface Sent {
  readonly id: number | null;
  readonly event: string;
  readonly data: AuditEventView | null;
}

/** A stream of the log as a client reads it (WHATWG HTML, 9.2.6), of Node's own HTTP. */
export interface Reading {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** What came so far, but for heartbeats without news. */
  readonly sent: Sent[];
  /** The indexes of the entries that came. */
  indexes(): number[];
  lastId(): number | null;
  /** Resolves when the service ends it, whole or not. */
  readonly ended: Promise<unknown>;
  readonly res: IncomingMessage;
  leave(): void;
}

/** Opens `/v1/audit/stream` in the actor's name, and reads until it is left. */
export async function follow(
  app: Express,
  actor: Actor,
  search = "",
  { lastEventId, reads = true }: { lastEventId?: number | string | null; reads?: boolean } = {},
): Promise<Reading> {
  const headers: Record<string, string> = {
    [ASSERTION_HEADER]: await (await testAssertions()).sign(actor),
    "x-request-id": newId(),
  };
  if (lastEventId !== undefined && lastEventId !== null) headers["last-event-id"] = String(lastEventId);
  const { url } = await listening(app);
  const req: ClientRequest = request(`${url}/v1/audit/stream${search}`, { headers, agent: false }).end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  const sent: Sent[] = [];
  const ended = new Promise((resolve) => res.once("close", resolve));
  res.on("error", () => undefined);
  if (reads) parse(res, sent);
  return {
    ...{ status: res.statusCode ?? 0, headers: res.headers, sent, ended, res },
    indexes: () => sent.flatMap(({ data }) => (data ? [data.index] : [])),
    lastId: () => sent.findLast(({ id }) => id !== null)?.id ?? null,
    leave: () => void req.destroy(),
  };
}

function parse(res: IncomingMessage, sent: Sent[]): void {
  let text = "";
  res.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const fields = new Map<string, string>();
      for (const line of text.slice(0, end).split("\n"))
        if (!line.startsWith(":")) fields.set(...(line.split(/: ?(.*)/s, 2) as [string, string]));
      text = text.slice(end + 2);
      const data = fields.get("data");
      sent.push({
        id: fields.has("id") ? Number(fields.get("id")) : null,
        event: fields.get("event") ?? "message",
        data: data === undefined ? null : (JSON.parse(data) as AuditEventView),
      });
    }
  });
}
