import { randomUUID } from "node:crypto";
import { type Ear, openEar } from "@medvault/postgres";
import type { ConfirmChannel } from "amqplib";
import { Alarm, backoffMs, settlesWithin } from "./backoff.ts";
import { BrokerUnavailable, codeOf, LeaseLost } from "./errors.ts";
import { emitHeartbeat, heartbeatType } from "./heartbeat.ts";
import { OutboxCursor } from "./outbox-cursor.ts";
import { type OutgoingMessage, publishAll } from "./publisher.ts";
import {
  acquireLease,
  type Batch,
  deleteConfirmed,
  type Lease,
  type OutboxRow,
  readJournal,
  readPositions,
  releaseLease,
  renewLease,
} from "./relay.store.ts";
import type { RelayOptions } from "./relay.ts";
import { auditMessages, domainMessage } from "./relay-messages.ts";
import { checkTopology } from "./topology.ts";
import { Unroutable } from "./unroutable.ts";
import { relayChannel, tellRelay } from "./wake.ts";

/** A commit wakes it; this is for what did not. */
const DEFAULT_POLL_MS = 2_000;
/** While an open transaction may show events without a commit that is heard of. */
const LATE_POLL_MS = 100;
/** Batches begin so far apart, so that events travel in company; one alone goes at once. */
const APART_MS = 50;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;
const LAST_WORDS_MS = 2_000;

/** The loop of one relay; `createRelay` is its face. */
export class RelayWorker {
  readonly #options: RelayOptions;
  readonly #owner = randomUUID();
  readonly #alarm = new Alarm();
  /** Ends the wait for company, as no event does. */
  readonly #hurry = new Alarm();
  readonly #cursor = new OutboxCursor();
  readonly #leaseMs: number;
  readonly #batchRows: number;
  readonly #heartbeatMs: number;
  #lease: Lease | null = null;
  #ear: Ear | null = null;
  #begunAt = Number.NEGATIVE_INFINITY;
  #isEmitted = false;
  #isUntold = false;
  #isEmpty = false; // beyond the cursor, as the renewal of just now has seen
  #renewAt = 0;
  #heartbeatAt = 0;
  #channel: ConfirmChannel | null = null;
  #recovered = false;
  #isBackingOff = false;
  #loggedCode: string | null = null;
  #stopBy: number | null = null;
  readonly #unroutable = new Unroutable();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#batchRows = options.batchRows ?? 500;
    this.#heartbeatMs = options.heartbeatMs ?? 60_000;
  }

  /** There is something to send. While it waits after a failure, that changes nothing. */
  wake(): void {
    this.#isEmitted = true;
    if (!this.#isBackingOff) this.#alarm.wake();
  }

  /** What failed may work now. */
  retry(): void {
    this.#alarm.wake();
  }

  stop(): void {
    this.#stopBy ??= performance.now() + LAST_WORDS_MS;
    this.#alarm.wake();
    this.#hurry.wake();
  }

  async run(): Promise<void> {
    let failures = 0;
    for (;;) {
      const stopping = this.#stopBy !== null;
      if (this.#stopBy !== null && performance.now() > this.#stopBy) break;
      try {
        const isDone = await this.#step();
        failures = 0;
        this.#loggedCode = null;
        if (!isDone) continue;
        if (stopping) break;
        await this.#rest();
      } catch (error) {
        await this.#afterFailure(error);
        if (stopping) break;
        this.#isBackingOff = true;
        await this.#alarm.sleep(backoffMs(failures++, FIRST_RETRY_MS, MAX_RETRY_MS));
        this.#isBackingOff = false;
      }
    }
    await this.#end();
  }

  /** Until there is something to do; then for company, unless the last batch was long ago. */
  async #rest(): Promise<void> {
    const pollMs = this.#options.pollMs ?? DEFAULT_POLL_MS;
    await this.#alarm.sleep(Math.min(pollMs, this.#cursor.mayBeLate ? LATE_POLL_MS : this.#leaseMs / 3));
    const early = this.#begunAt + APART_MS - performance.now();
    if (early > 0) await this.#hurry.sleep(early);
    this.#alarm.hush(); // what has rung by now is committed, and is read next
  }

  /** One round; false when there is more to do at once. */
  async #step(): Promise<boolean> {
    const { pool } = this.#options;
    const channel = await this.#openChannel();
    if (!(await this.#holdLease())) return this.#tellHolder();
    if (!this.#recovered) await this.#recover(channel);
    else if (this.#isEmpty && this.#cursor.isSettled) return this.#beat();
    // From here on events may be in the journal: any failure leads through #recover.
    this.#recovered = false;
    const begunAt = performance.now();
    const { rows, batch, isWhole } = await this.#cursor.next(pool, this.#held(), this.#batchRows);
    if (rows.length > 0) this.#begunAt = begunAt;
    if (batch) await this.#sendAudit(channel, batch, rows);
    this.#recovered = true;
    if (rows.length === 0) await this.#beat();
    const domain = rows.filter((row) => row.audience === "domain" && this.#unroutable.isDue(row));
    if (domain.length > 0) await this.#sendDomain(channel, domain);
    return isWhole;
  }

  /** Another process has the lease: it hears of what was committed here. */
  async #tellHolder(): Promise<boolean> {
    if (this.#isEmitted) {
      this.#isEmitted = false;
      this.#begunAt = performance.now();
      await tellRelay(this.#options.pool, this.#options.source);
    }
    return true;
  }

  async #openChannel(): Promise<ConfirmChannel> {
    if (this.#channel !== null) return this.#channel;
    const channel = await this.#options.broker.createConfirmChannel();
    channel.once("close", () => {
      if (this.#channel === channel) this.#channel = null;
    });
    // Throws, and the broker closes the channel, until the audit service has declared its queue.
    await checkTopology(channel);
    this.#channel = channel;
    return channel;
  }

  /** False while another relay has it. After a change of hands everything is read again. */
  async #holdLease(): Promise<boolean> {
    this.#isEmpty = false;
    if (performance.now() < this.#renewAt) return this.#lease !== null;
    const lease = await acquireLease(this.#options.pool, this.#owner, this.#leaseMs, this.#cursor.position);
    if (lease === null || lease.fence !== this.#lease?.fence) {
      this.#recovered = false;
      this.#cursor.reset();
      this.#isUntold = lease?.isUntold ?? false;
    }
    this.#lease = lease;
    this.#isEmpty = lease?.isWaiting === false;
    await this.#listen();
    this.#renewAt = performance.now() + this.#leaseMs / 3;
    return lease !== null;
  }

  /** Other processes of the service say when they have committed. */
  async #listen(): Promise<void> {
    const { pool, source } = this.#options;
    if (this.#lease === null) {
      this.#ear?.close();
      this.#ear = null;
    } else if (!this.#ear?.isOpen()) {
      // Without it the poll finds their events, a little later.
      this.#ear = await openEar(pool, relayChannel(source), () => this.wake()).catch(() => null);
    }
  }

  #held(): Lease {
    if (this.#lease === null) throw new LeaseLost();
    return this.#lease;
  }

  /** Sends again what was numbered and not confirmed, under the numbers that it has. */
  async #recover(channel: ConfirmChannel): Promise<void> {
    for (const batch of await readJournal(this.#options.pool)) {
      const rows = await readPositions(this.#options.pool, batch.positions);
      if (rows.length < batch.positions.length) {
        const missing = batch.positions.length - rows.length;
        this.#options.logger.error(
          { code: "outbox_rows_missing", count: missing },
          "numbered events are gone",
        );
      }
      await this.#publishBatch(channel, batch, rows);
    }
    this.#recovered = true;
  }

  async #sendAudit(channel: ConfirmChannel, batch: Batch, rows: OutboxRow[]): Promise<void> {
    const audit = rows.filter((row) => row.audience === "audit");
    this.#isUntold ||= audit.some(({ type }) => type !== heartbeatType(this.#options.source));
    await this.#publishBatch(channel, batch, audit);
  }

  async #publishBatch(channel: ConfirmChannel, batch: Batch, rows: OutboxRow[]): Promise<void> {
    const confirmed = await this.#publish(channel, auditMessages(this.#options.source, batch, rows));
    if (confirmed.includes(false)) throw new BrokerUnavailable();
    await this.#delete(batch.positions, batch);
  }

  /** Domain events without a bound queue stay in the outbox, and are tried again in their turn. */
  async #sendDomain(channel: ConfirmChannel, rows: OutboxRow[]): Promise<void> {
    const confirmed = await this.#publish(channel, rows.map(domainMessage));
    const sent = rows.filter((_row, i) => confirmed[i] === true).map((row) => row.position);
    if (sent.length > 0) await this.#delete(sent, null);
    const returned = rows.filter((_row, i) => confirmed[i] !== true);
    for (const type of this.#unroutable.note(returned, sent)) {
      this.#options.logger.warn({ code: "unroutable", type }, "no queue takes this event yet, it waits");
    }
  }

  /** A slow broker must not cost the lease: two relays would keep taking it from each other. */
  async #publish(channel: ConfirmChannel, messages: OutgoingMessage[]): Promise<boolean[]> {
    const { pool, source } = this.#options;
    const lease = this.#held();
    const renewal = setInterval(() => {
      // If it fails, the delete that follows finds out by the fence.
      renewLease(pool, lease, this.#leaseMs).catch(() => {});
    }, this.#leaseMs / 3);
    try {
      return await publishAll(channel, source, messages);
    } finally {
      clearInterval(renewal);
    }
  }

  async #delete(positions: number[], batch: Batch | null): Promise<void> {
    const isOurs = await deleteConfirmed(this.#options.pool, this.#held(), this.#leaseMs, positions, batch);
    if (!isOurs) throw new LeaseLost();
    this.#renewAt = performance.now() + this.#leaseMs / 3;
  }

  /** At most once per heartbeatMs, and only when numbers were given since the last. True. */
  async #beat(): Promise<boolean> {
    if (!this.#isUntold || performance.now() < this.#heartbeatAt) return true;
    this.#heartbeatAt = performance.now() + this.#heartbeatMs / 10;
    const { pool, source } = this.#options;
    if (!(await emitHeartbeat(pool, source, this.#held(), this.#heartbeatMs))) return true;
    this.#isUntold = false;
    this.#alarm.wake();
    return true;
  }

  async #afterFailure(error: unknown): Promise<void> {
    const code = codeOf(error);
    // The connection has logged that the broker is away.
    if (code !== this.#loggedCode && this.#options.broker.state() === "connected") {
      this.#loggedCode = code;
      this.#options.logger.warn({ code }, "relay waits");
    }
    if (error instanceof LeaseLost) this.#lease = null;
    this.#isUntold = true; // whether it was told is asked of the database
    this.#renewAt = 0;
    // Read again what may not have gone out; the journal first, if the failure came after it.
    this.#cursor.reset();
    const channel = this.#channel;
    this.#channel = null;
    // Confirms that are still to come belong to messages that will be sent again.
    if (channel !== null) await settlesWithin(closeQuietly(channel), 1_000);
  }

  async #end(): Promise<void> {
    const { pool, logger } = this.#options;
    this.#ear?.close();
    if (this.#lease !== null) {
      await releaseLease(pool, this.#lease).catch((error: unknown) => {
        logger.warn({ code: codeOf(error) }, "relay could not give its lease back");
      });
    }
    if (this.#channel !== null) await settlesWithin(closeQuietly(this.#channel), 1_000);
  }
}

async function closeQuietly(channel: ConfirmChannel): Promise<void> {
  // amqplib throws, rather than rejects, when the channel is closed already.
  await channel.close().catch(() => {});
}
