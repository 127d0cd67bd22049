import type { CloudEvent } from "@medvault/contracts";
import { inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import { backoffMs } from "./backoff.ts";
import { codeOf, isUnavailableError } from "./errors.ts";
import { followed } from "./event-journey.ts";
import { park, takeNew, untake } from "./inbox.store.ts";
import { messageOf, type Parsed, type Poison, parseMessage, poisonOf } from "./incoming.ts";
import { nextRedrive, parkAgain, unpark } from "./parked.ts";

/** Parks one event under this code, in the handler's transaction; the others take effect. */
type Refuse = (event: CloudEvent, code: string) => void;

/**
 * Takes the effect of events in the given transaction, in which the inbox notes their ids too. A
 * throw rolls both back; one whose `kind` is "unavailable" makes the consumer wait and retry, any
 * other ends, after three tries of each event alone, in the parked table. May run more than once.
 */
export type EventHandler = (events: CloudEvent[], tx: Tx, refuse: Refuse) => Promise<void>;

export interface EffectContext {
  pool: pg.Pool;
  consumer: string;
  handle: EventHandler;
  withoutInbox?: boolean | undefined;
  allowedSources?: readonly string[] | undefined;
}

const TRIES_ALONE = 3;
const RETRY_MS = 20;

/** Inbox, parked rows and effect of several messages in one transaction. Throws as those do. */
export async function takeEffect(context: EffectContext, parsed: readonly Parsed[]): Promise<void> {
  const events = parsed.flatMap((each) => each.events);
  const poison = parsed.flatMap((each) => each.poison);
  const take = () =>
    inTransaction(context.pool, async (tx) => {
      await park(tx, context.consumer, poison);
      await park(tx, context.consumer, await handleNew(context, tx, events));
    });
  await followed("process", () => ({ queue: context.consumer, events }), take);
}

/** Gives what the handler refused. */
async function handleNew(context: EffectContext, tx: Tx, events: CloudEvent[]): Promise<Poison[]> {
  const fresh = context.withoutInbox ? events : await takeNew(tx, context.consumer, events);
  const refused: [CloudEvent, string][] = [];
  if (fresh.length > 0) await context.handle(fresh, tx, (...each) => void refused.push(each));
  if (!context.withoutInbox) {
    await untake(
      tx,
      context.consumer,
      refused.map(([event]) => event),
    );
  }
  return refused.map(([event, code]) => refusedOf(event, code));
}

const refusedOf = (event: CloudEvent, code: string) =>
  poisonOf(messageOf(event, event.source.split("/")[2] ?? ""), code);

/**
 * The same, event by event, each in a transaction of its own: what a handler still refuses at the
 * third try is parked, so that one bad event delays no other. Throws only when something is
 * unavailable; what was done stays done, and may be gone through again.
 */
export async function takeEffectOneByOne(context: EffectContext, parsed: readonly Parsed[]): Promise<number> {
  let parkedCount = 0;
  for (const { events, poison } of parsed) {
    if (poison.length > 0) await takeEffect(context, [{ events: [], poison }]);
    for (const event of events) {
      const code = await tryAlone(context, event);
      if (code === null) continue;
      await takeEffect(context, [{ events: [], poison: [refusedOf(event, code)] }]);
      parkedCount += 1;
    }
  }
  return parkedCount;
}

/** Null when the event took effect, else the code of the last refusal. */
async function tryAlone(context: EffectContext, event: CloudEvent): Promise<string | null> {
  for (let attempt = 1; ; attempt++) {
    try {
      await takeEffect(context, [{ events: [event], poison: [] }]);
      return null;
    } catch (error) {
      if (isUnavailableError(error)) throw error;
      if (attempt === TRIES_ALONE) return codeOf(error);
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt, RETRY_MS, 1_000)));
    }
  }
}

/** Takes a parked message that is to be tried again, if there is one. Throws when unavailable. */
export async function redriveOne(context: EffectContext): Promise<void> {
  const { pool, consumer } = context;
  let id: string | null = null;
  try {
    await inTransaction(pool, async (tx) => {
      const message = await nextRedrive(tx, consumer);
      if (message === null) return;
      id = message.id;
      const { events, poison } = parseMessage(message, context.allowedSources);
      if (poison[0] !== undefined) {
        return parkAgain(tx, message.id, poison[0].reason);
      }
      const refused = await handleNew(context, tx, events);
      // One that stays refused is the same row again, which must not go.
      const same = refused.find(({ id: parked }) => parked === message.id);
      if (same) return parkAgain(tx, message.id, same.reason);
      await park(tx, consumer, refused);
      await unpark(tx, message.id);
    });
  } catch (error) {
    if (id === null || isUnavailableError(error)) throw error;
    await parkAgain(pool, id, codeOf(error));
  }
}
