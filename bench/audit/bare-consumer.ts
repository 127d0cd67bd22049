import type { connectBroker } from "@medvault/messaging";
import type pg from "pg";

/** Messages in hand, as audit has. */
const PREFETCH = 10;

/**
 * What a log would cost without one: takes messages, and inserts their events into a plain table, a
 * batch in one statement, in one transaction with nothing else. Gives how long `count` events took.
 */
export async function drainBare(
  broker: ReturnType<typeof connectBroker>,
  pool: pg.Pool,
  queue: string,
  count: number,
): Promise<number> {
  const channel = await broker.createChannel();
  await channel.prefetch(PREFETCH);
  const inHand: { tag: number; content: Buffer }[] = [];
  let wake = () => {};
  const began = performance.now();
  await channel.consume(queue, (message) => {
    if (message) inHand.push({ tag: message.fields.deliveryTag, content: message.content });
    wake();
  });
  for (let taken = 0; taken < count; ) {
    if (inHand.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const batch = inHand.splice(0);
    const events = batch.flatMap(({ content }) => JSON.parse(content.toString("utf8")) as { id: string }[]);
    await pool.query(
      `insert into bare_events (id, event) select * from unnest($1::uuid[], $2::text[]::json[])`,
      [events.map(({ id }) => id), events.map((event) => JSON.stringify(event))],
    );
    const last = batch.at(-1);
    if (last) channel.ack({ fields: { deliveryTag: last.tag } } as Parameters<typeof channel.ack>[0], true);
    taken += events.length;
  }
  const seconds = (performance.now() - began) / 1_000;
  await channel.close();
  return seconds;
}
