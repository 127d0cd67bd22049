import { type Actor, type AlertTestResult, newId } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { inTransaction, type Tx } from "@medvault/postgres";
import type { Context } from "../context.ts";
import { DeliveryFailed } from "./delivery.errors.ts";
import { alertAnnounced, channelsTested, deliveryGivenUp } from "./delivery.events.ts";
import {
  claimDelivery,
  deleteDone,
  findForsaken,
  insertDeliveries,
  markGivenUp,
  markSent,
  postponeDelivery,
  type WaitingDelivery,
} from "./delivery.store.ts";
import {
  type AlertNotice,
  CHANNELS,
  type Change,
  type Channel,
  type ChannelName,
  type Channels,
  type Delivery,
  KEEP_TRYING_MS,
  noticeOf,
  retryAfterMs,
} from "./delivery.ts";

/** Longer than a try may take: then another process takes it. */
const LEASE_MS = 60_000;
const AT_ONCE = 100;
const KEEP_DONE_MS = 30 * 24 * 3600_000;

type Sending = Pick<Context, "pool" | "channels" | "logger" | "now">;

const namesOf = (channels: Channels): ChannelName[] => CHANNELS.filter((name) => channels[name]);

/**
 * Puts a state of an alert in line for every channel, and announces it to auth, which mails it, in
 * the transaction that makes this state. `rev` rises with each of them: a second call for one of
 * them puts nothing in line twice.
 */
export async function queueDeliveries(
  { channels, now }: Pick<Context, "channels" | "now">,
  tx: Tx,
  alert: AlertNotice,
  { change, rev }: { change: Exclude<Change, "test">; rev: number },
): Promise<void> {
  const notice = noticeOf(alert);
  const names = namesOf(channels);
  if (names.length > 0) {
    const rows = names.map((name) => ({ id: newId(), name }));
    await insertDeliveries(tx, { kind: change, rev, notice }, rows, now());
  }
  await emit(tx, "audit", alertAnnounced(notice, change));
}

/** Sends what is due, the channels side by side; ends early when `signal` aborts. */
export async function sendDue(context: Sending, signal: AbortSignal): Promise<void> {
  await Promise.all(
    namesOf(context.channels).map((name) =>
      sendDueOf(context, name, context.channels[name] as Channel, signal),
    ),
  );
}

/** One after the other, until nothing is due, or one fails: then the receiver is left in peace. */
async function sendDueOf(
  context: Sending,
  name: ChannelName,
  channel: Channel,
  signal: AbortSignal,
): Promise<void> {
  const { pool, now } = context;
  for (let count = 0; count < AT_ONCE && !signal.aborted; count++) {
    const delivery = await claimDelivery(pool, name, LEASE_MS, now());
    if (!delivery) return;
    const failure = await tryToSend(channel, delivery);
    if (!failure) {
      await markSent(pool, delivery.id, now());
      continue;
    }
    const { reason, isFinal } = failure;
    context.logger.warn(
      { reason, attempt: delivery.attempts, component: `alerts by ${name}` },
      "an alert could not be delivered",
    );
    const isTooOld = now().getTime() - delivery.createdAt.getTime() >= KEEP_TRYING_MS;
    if (isFinal || isTooOld) return giveUp(context, delivery, reason);
    const at = new Date(now().getTime() + retryAfterMs(delivery.attempts, Math.random()));
    return postponeDelivery(pool, delivery.id, at, reason);
  }
}

async function tryToSend(channel: Channel, delivery: Delivery): Promise<DeliveryFailed | null> {
  try {
    await channel.send(delivery);
    return null;
  } catch (error) {
    return error instanceof DeliveryFailed ? error : new DeliveryFailed("failed", { cause: error });
  }
}

async function giveUp({ pool, now }: Sending, delivery: WaitingDelivery, reason: string): Promise<void> {
  await inTransaction(pool, async (tx) => {
    if (await markGivenUp(tx, delivery.id, now(), reason))
      await emit(tx, "audit", deliveryGivenUp(delivery, reason));
  });
}

/** Gives up what has no channel any more, and forgets what has been done with for a month. */
export async function tidyDeliveries(context: Sending, signal: AbortSignal): Promise<void> {
  const { pool, now } = context;
  const before = (ms: number) => new Date(now().getTime() - ms);
  for (let isMore = true; isMore && !signal.aborted; ) {
    const forsaken = await findForsaken(pool, before(KEEP_TRYING_MS), AT_ONCE);
    for (const delivery of forsaken) await giveUp(context, delivery, "no_channel");
    isMore = forsaken.length === AT_ONCE;
  }
  await deleteDone(pool, before(KEEP_DONE_MS));
}

/** Sends a test by every channel, now, and says what came of each; mails are on their way then. */
export async function testChannels(context: Context, actor: Actor): Promise<AlertTestResult> {
  const { channels, appender, pool, now } = context;
  const at = now().toISOString();
  const notice: AlertNotice = {
    ...{ id: newId(), rule: "test", severity: "low", state: "open", openedAt: at, lastAt: at, count: 0 },
    whatToDo: "Nothing: someone tries whether alerts arrive.",
    events: [],
  };
  await inTransaction(pool, (tx) => emit(tx, "audit", alertAnnounced(notice, "test")));
  const tried = namesOf(channels).map(async (channel) => {
    const delivery = { id: newId(), change: "test" as const, notice, createdAt: now() };
    const failure = await tryToSend(channels[channel] as Channel, delivery);
    return {
      channel,
      outcome: failure ? ("failed" as const) : ("sent" as const),
      reason: failure?.reason ?? null,
    };
  });
  const results = [
    { channel: "mail" as const, outcome: "queued" as const, reason: null },
    ...(await Promise.all(tried)),
  ];
  const outcomes = Object.fromEntries(
    results.map(({ channel, outcome, reason }) => [channel, reason ?? outcome]),
  );
  await appender.append(channelsTested(actor, notice.id, outcomes));
  return { id: notice.id, channels: results };
}
