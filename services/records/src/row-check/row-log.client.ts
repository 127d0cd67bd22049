import { hash, randomBytes, randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { DELEGATION_PREFIX, RowEventPage, Unavailable } from "@medvault/contracts";
import type { Appender } from "@medvault/messaging";
import { internalClient, type Tls } from "@medvault/service-kit";
import { askedEvent } from "./row-log.events.ts";
import type { RowLog } from "./row-log.ts";

const PAUSE_MS = 30_000;
const CONNECTIONS = 1;
/** A ticket is known once its event is in the log, which takes some 0.2 s. */
const KNOWN_WITHIN_MS = 30_000;
const ASK_EVERY_MS = 100;
/** Audit lets one in for twice as long. */
const TICKET_MS = 3_600_000;

/**
 * Asks audit at `url`, by a ticket whose hash the log has by an event of ours. That a new ticket is
 * known shows that all events before it are in the log.
 */
export function rowLogClient(
  url: string,
  tls: Tls | null,
  appender: Pick<Appender, "append">,
): RowLog & { close(): Promise<void> } {
  const audit = internalClient(url, tls, { waitMs: PAUSE_MS, connections: CONNECTIONS });
  let ticket: { token: string; since: number } | null = null;

  const open = (token: string, from: number) => {
    const asking = { assertion: token, requestId: randomUUID(), purpose: null, traceparent: null };
    return audit.open(asking, `/internal/row-events?from=${from}`);
  };

  async function settle(): Promise<void> {
    const token = DELEGATION_PREFIX + randomBytes(32).toString("hex");
    await appender.append(askedEvent(hash("sha256", token, "hex")));
    const since = Date.now();
    for (;;) {
      const { status, body } = await open(token, Number.MAX_SAFE_INTEGER);
      await body.toArray();
      if (status === 200) break;
      // 401, or 503: what audit does not know it takes for a delegation, and asks auth.
      if (Date.now() > since + KNOWN_WITHIN_MS) throw new Unavailable();
      await delay(ASK_EVERY_MS);
    }
    ticket = { token, since };
  }

  async function* pages(from: number): AsyncGenerator<RowEventPage> {
    if (ticket === null || Date.now() > ticket.since + TICKET_MS) await settle();
    const { status, body } = await open(ticket?.token ?? "", from);
    if (status !== 200) {
      body.destroy();
      ticket = null;
      throw new Unavailable();
    }
    let isWhole = false;
    try {
      for await (const line of createInterface({ input: body })) {
        const page = RowEventPage.parse(JSON.parse(line));
        isWhole = page.next === page.size;
        yield page;
      }
    } finally {
      body.destroy();
    }
    if (!isWhole) throw new Unavailable();
  }

  return { pages, settle, close: () => audit.close() };
}
