import type { Channel, ConsumeMessage } from "amqplib";
import type pg from "pg";
import { Alarm, backoffMs, settlesWithin } from "./backoff.ts";
import type { Broker } from "./broker.ts";
import {
  type EffectContext,
  type EventHandler,
  redriveOne,
  takeEffect,
  takeEffectOneByOne,
} from "./effect.ts";
import { codeOf, isUnavailableError } from "./errors.ts";
import { pruneInbox } from "./inbox.store.ts";
import { type IncomingMessage, type Parsed, parseMessage, poisonOf } from "./incoming.ts";
import { isRedriveAsked } from "./parked.ts";
import { AUDIT_QUEUE, assertConsumerQueue, assertTopology, deadNameOf } from "./topology.ts";

export interface ConsumerOptions {
  broker: Broker;
  pool: pg.Pool;
  /** `medvault.<service>` or below it; else the broker refuses to declare it. */
  queue: string;
  /** Routing keys: types of domain events, `*` for one word. The audit queue has its own. */
  bindings: readonly string[];
  /** Messages in hand at most; default 50. */
  prefetch?: number;
  handle: EventHandler;
  /** The handler knows for good which events it has had: their ids need not be noted. */
  withoutInbox?: boolean;
  /** Services whose events are taken; default all. */
  allowedSources?: readonly string[];
  /** How often it looks for parked messages that are to be taken again; default 5,000. */
  redriveMs?: number;
}

type ConsumerState = "stopped" | "connecting" | "consuming" | "paused";

export interface Consumer {
  start(): void;
  /** Finishes the batch in hand within 10 s; what is not acknowledged is delivered again. */
  stop(): Promise<void>;
  state(): ConsumerState;
}

const DEFAULT_PREFETCH = 50;
/** Events in one transaction, unless a single message has more. */
const MAX_BATCH_EVENTS = 1_000;
/** Batches begin so far apart, so that messages share a transaction; one alone goes at once. */
const APART_MS = 15;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;
const DEFAULT_REDRIVE_MS = 5_000;
const PRUNE_EVERY_MS = 3_600_000;
const STOP_TIMEOUT_MS = 10_000;
// Longer than any message can travel: outboxes and queues that were cut off for three months.
const INBOX_DAYS = 90;

/**
 * Consumes a quorum queue into the database: validates, takes the effect and notes it in one
 * transaction, then acknowledges. It never nacks: while the database is away it takes no more, and
 * keeps those in hand for later, so that no delivery limit is used up.
 */
export function createConsumer(options: ConsumerOptions): Consumer {
  const worker = new ConsumerWorker(options);
  let running: Promise<void> | null = null;
  let forget: () => void = () => {};
  return {
    start() {
      if (running !== null) return;
      forget = options.broker.onConnected(() => worker.wake());
      running = worker.run();
    },
    async stop() {
      forget();
      worker.stop();
      if (running !== null) await settlesWithin(running, STOP_TIMEOUT_MS);
    },
    state: () => worker.state,
  };
}

interface Session {
  channel: Channel;
  closed: boolean;
  tags: string[];
  inHand: { message: ConsumeMessage; parsed: Parsed }[];
}

class ConsumerWorker {
  state: ConsumerState = "stopped";
  readonly #options: ConsumerOptions;
  readonly #context: EffectContext;
  readonly #alarm = new Alarm();
  readonly #prefetch: number;
  #stopping = false;
  #loggedCode: string | null = null;
  #begunAt = Number.NEGATIVE_INFINITY;
  #choresAt = 0;
  #pruneAt = 0;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#prefetch = options.prefetch ?? DEFAULT_PREFETCH;
    const { pool, queue: consumer, handle, withoutInbox, allowedSources } = options;
    this.#context = { pool, consumer, handle, withoutInbox, allowedSources };
  }

  wake(): void {
    this.#alarm.wake();
  }

  stop(): void {
    this.#stopping = true;
    this.#alarm.wake();
  }

  async run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      this.state = "connecting";
      let session: Session | null = null;
      try {
        session = await this.#open();
        failures = 0;
        this.#loggedCode = null;
        while (!this.#stopping && !session.closed) await this.#round(session);
      } catch (error) {
        this.#report(error);
        if (!this.#stopping) await this.#alarm.sleep(backoffMs(failures++, FIRST_RETRY_MS, MAX_RETRY_MS));
      } finally {
        if (session !== null) await close(session);
      }
    }
    this.state = "stopped";
  }

  #report(error: unknown): void {
    const { broker } = this.#options;
    const code = codeOf(error);
    // The connection has logged that the broker is away; the same fault again is no news.
    if (code === this.#loggedCode || broker.state() !== "connected") return;
    this.#loggedCode = code;
    broker.logger.warn(this.#fields(error), "consumer waits");
  }

  async #open(): Promise<Session> {
    const { broker, queue, bindings } = this.#options;
    const channel = await broker.createChannel();
    const session: Session = { channel, closed: false, tags: [], inHand: [] };
    channel.once("close", () => {
      session.closed = true;
      this.#alarm.wake();
    });
    if (queue === AUDIT_QUEUE) await assertTopology(channel);
    else await assertConsumerQueue(channel, queue, bindings);
    // Without the database no message is taken in hand: to give it back would count as a delivery.
    await this.#options.pool.query("select 1");
    await channel.prefetch(this.#prefetch);
    await this.#consume(session);
    return session;
  }

  async #consume(session: Session): Promise<void> {
    const { queue, allowedSources } = this.#options;
    const take = (parse: (message: IncomingMessage) => Parsed) => (message: ConsumeMessage | null) => {
      // Null: the queue was deleted, which ended the consumption. Begin again, which declares it.
      if (message === null) void close(session);
      else session.inHand.push({ message, parsed: parse(incomingOf(message)) });
      this.#alarm.wake();
    };
    const live = take((message) => parseMessage(message, allowedSources));
    const dead = take((message) => ({ events: [], poison: [poisonOf(message, "delivery_limit")] }));
    const consumptions = await Promise.all([
      session.channel.consume(queue, live),
      session.channel.consume(deadNameOf(queue), dead),
    ]);
    session.tags = consumptions.map((each) => each.consumerTag);
    this.state = "consuming";
  }

  async #round(session: Session): Promise<void> {
    if (session.inHand.length > 0) {
      await this.#gather(session);
      await this.#process(session);
    } else await this.#alarm.sleep(this.#options.redriveMs ?? DEFAULT_REDRIVE_MS);
    await this.#chores();
  }

  /** Waits for company, unless the last batch was long ago or no more can come. */
  async #gather(session: Session): Promise<void> {
    for (;;) {
      const early = this.#begunAt + APART_MS - performance.now();
      const isFull = session.inHand.length >= this.#prefetch || eventsOf(session.inHand) >= MAX_BATCH_EVENTS;
      if (early <= 0 || isFull || this.#stopping || session.closed) break;
      await this.#alarm.sleep(early);
    }
    this.#begunAt = performance.now();
  }

  /** Takes effect of all in hand and acknowledges, however long the database is away. */
  async #process(session: Session): Promise<void> {
    const batch = session.inHand.slice(0, countUpTo(MAX_BATCH_EVENTS, session.inHand));
    const parsed = batch.map((each) => each.parsed);
    for (let failures = 0; !this.#stopping && !session.closed; failures++) {
      try {
        await this.#takeEffect(parsed);
        session.inHand.splice(0, batch.length);
        const last = batch.at(-1);
        // In the order of their delivery: one acknowledgement for all of them.
        if (last && !session.closed) session.channel.ack(last.message, true);
        if (this.state === "paused" && !session.closed) await this.#consume(session);
        return;
      } catch (error) {
        if (!isUnavailableError(error)) throw error;
        await this.#pause(session, error);
        await this.#alarm.sleep(backoffMs(failures, FIRST_RETRY_MS, MAX_RETRY_MS));
      }
    }
  }

  async #takeEffect(parsed: Parsed[]): Promise<void> {
    const poison = parsed.reduce((sum, each) => sum + each.poison.length, 0);
    if (poison > 0) this.#warnParked(poison);
    try {
      await takeEffect(this.#context, parsed);
    } catch (error) {
      if (isUnavailableError(error)) throw error;
      this.#options.broker.logger.warn(this.#fields(error), "events refused, trying one by one");
      const parkedCount = await takeEffectOneByOne(this.#context, parsed);
      if (parkedCount > 0) this.#warnParked(parkedCount);
    }
  }

  async #pause(session: Session, error: unknown): Promise<void> {
    if (this.state === "paused" || session.closed) return;
    this.state = "paused";
    this.#options.broker.logger.warn(this.#fields(error), "consumption paused");
    await Promise.all(session.tags.map((tag) => session.channel.cancel(tag)));
  }

  async #chores(): Promise<void> {
    const now = performance.now();
    if (now < this.#choresAt) return;
    this.#choresAt = now + (this.#options.redriveMs ?? DEFAULT_REDRIVE_MS);
    try {
      while (!this.#stopping && (await isRedriveAsked(this.#options.pool, this.#options.queue)))
        await redriveOne(this.#context);
      if (now < this.#pruneAt) return;
      this.#pruneAt = now + PRUNE_EVERY_MS;
      await pruneInbox(this.#options.pool, INBOX_DAYS);
    } catch (error) {
      // The next message will find out whether the database is away.
      this.#options.broker.logger.warn(this.#fields(error), "consumer chores failed");
    }
  }

  #warnParked(count: number): void {
    this.#options.broker.logger.error({ queue: this.#options.queue, count }, "messages parked");
  }

  #fields(error: unknown): object {
    return { queue: this.#options.queue, code: codeOf(error) };
  }
}

const eventsOf = (inHand: Session["inHand"]): number =>
  inHand.reduce((sum, { parsed }) => sum + parsed.events.length, 0);

/** How many messages from the front have that many events together, at least one. */
function countUpTo(maxEvents: number, inHand: Session["inHand"]): number {
  let events = 0;
  const end = inHand.findIndex(({ parsed }, i) => {
    events += parsed.events.length;
    return i > 0 && events > maxEvents;
  });
  return end < 0 ? inHand.length : end;
}

function incomingOf(message: ConsumeMessage): IncomingMessage {
  const { userId, contentType } = message.properties;
  return {
    userId: typeof userId === "string" ? userId : null,
    contentType: typeof contentType === "string" ? contentType : null,
    routingKey: message.fields.routingKey,
    body: message.content,
  };
}

async function close(session: Session): Promise<void> {
  if (session.closed) return;
  session.closed = true;
  await settlesWithin(
    session.channel.close().catch(() => {}),
    1_000,
  );
}
