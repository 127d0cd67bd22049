import { randomUUID } from "node:crypto";
import { auditEvent } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import type { ConfirmChannel } from "amqplib";
import { Alarm, backoffMs, settlesWithin } from "./backoff.ts";
import { toOutboxEvent } from "./envelope.ts";
import { BrokerUnavailable, codeOf, LeaseLost } from "./errors.ts";
import { insertEvents } from "./outbox.store.ts";
import { OutboxCursor } from "./outbox-cursor.ts";
import { type OutgoingMessage, publishAll } from "./publisher.ts";
import {
  acquireLease,
  type Batch,
  deleteConfirmed,
  journalBatch,
  type Lease,
  type OutboxRow,
  readJournal,
  readPositions,
  releaseLease,
  renewLease,
  takeHeartbeat,
} from "./relay.store.ts";
import type { RelayOptions } from "./relay.ts";
import { auditMessages, domainMessage } from "./relay-messages.ts";
import { checkTopology } from "./topology.ts";

const DEFAULT_POLL_MS = 100;
/** A domain event that no queue was bound to is tried again after this. */
const UNROUTABLE_RETRY_MS = 5_000;
const MAX_UNROUTABLE = 10_000;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;
const LAST_WORDS_MS = 2_000;

/** The loop of one relay; `createRelay` is its face. */
export class RelayWorker {
  readonly #options: RelayOptions;
  readonly #owner = randomUUID();
  readonly #alarm = new Alarm();
  readonly #cursor = new OutboxCursor();
  readonly #leaseMs: number;
  readonly #batchRows: number;
  readonly #heartbeatMs: number;
  #lease: Lease | null = null;
  #renewAt = 0;
  #heartbeatAt = 0;
  #channel: ConfirmChannel | null = null;
  #recovered = false;
  #isBackingOff = false;
  #loggedCode: string | null = null;
  #stopBy: number | null = null;
  /** Positions of returned domain events, and when to try them again. */
  readonly #unroutable = new Map<number, number>();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#batchRows = options.batchRows ?? 500;
    this.#heartbeatMs = options.heartbeatMs ?? 60_000;
  }

  /** There is something to send. While it waits after a failure, that changes nothing. */
  wake(): void {
    if (!this.#isBackingOff) this.#alarm.wake();
  }

  /** What failed may work now. */
  retry(): void {
    this.#alarm.wake();
  }

  stop(): void {
    this.#stopBy ??= performance.now() + LAST_WORDS_MS;
    this.#alarm.wake();
  }

  async run(): Promise<void> {
    let failures = 0;
    for (;;) {
      const stopping = this.#stopBy !== null;
      if (this.#stopBy !== null && performance.now() > this.#stopBy) break;
      try {
        const sent = await this.#step();
        failures = 0;
        this.#loggedCode = null;
        if (sent > 0) continue;
        if (stopping) break;
        await this.#alarm.sleep(this.#options.pollMs ?? DEFAULT_POLL_MS);
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

  /** One round; answers how many events went out. */
  async #step(): Promise<number> {
    const channel = await this.#openChannel();
    if (!(await this.#holdLease())) return 0;
    if (!this.#recovered) await this.#recover(channel);
    const rows = await this.#cursor.next(this.#options.pool, this.#batchRows);
    if (rows.length === 0) await this.#beat();
    const audit = rows.filter((row) => row.audience === "audit");
    if (audit.length > 0) await this.#sendAudit(channel, audit);
    const now = performance.now();
    const domain = rows.filter(
      (row) => row.audience === "domain" && (this.#unroutable.get(row.position) ?? 0) <= now,
    );
    const sent = domain.length > 0 ? await this.#sendDomain(channel, domain) : 0;
    return audit.length + sent;
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
    if (performance.now() < this.#renewAt) return this.#lease !== null;
    const lease = await acquireLease(this.#options.pool, this.#owner, this.#leaseMs);
    if (lease === null || lease.fence !== this.#lease?.fence) {
      this.#recovered = false;
      this.#cursor.reset();
    }
    this.#lease = lease;
    this.#renewAt = performance.now() + this.#leaseMs / 3;
    return lease !== null;
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

  async #sendAudit(channel: ConfirmChannel, rows: OutboxRow[]): Promise<void> {
    const positions = rows.map((row) => row.position);
    // From here on these events are in the journal: any failure leads through #recover.
    this.#recovered = false;
    const batch = await journalBatch(this.#options.pool, this.#held(), positions);
    if (batch === null) throw new LeaseLost();
    await this.#publishBatch(channel, batch, rows);
    this.#recovered = true;
  }

  async #publishBatch(channel: ConfirmChannel, batch: Batch, rows: OutboxRow[]): Promise<void> {
    const { source } = this.#options;
    const confirmed = await this.#publish(channel, auditMessages(source, batch, rows));
    if (confirmed.includes(false)) throw new BrokerUnavailable();
    await this.#delete(batch.positions, batch);
  }

  /** Domain events without a bound queue stay in the outbox, and are tried again in their turn. */
  async #sendDomain(channel: ConfirmChannel, rows: OutboxRow[]): Promise<number> {
    const confirmed = await this.#publish(channel, rows.map(domainMessage));
    const sent = rows.filter((_row, i) => confirmed[i] === true).map((row) => row.position);
    if (sent.length > 0) await this.#delete(sent, null);
    this.#remember(
      rows.filter((_row, i) => confirmed[i] !== true),
      sent,
    );
    return sent.length;
  }

  #remember(returned: OutboxRow[], sent: number[]): void {
    for (const position of sent) this.#unroutable.delete(position);
    if (this.#unroutable.size > MAX_UNROUTABLE) this.#unroutable.clear();
    const retryAt = performance.now() + UNROUTABLE_RETRY_MS * (0.5 + Math.random() / 2);
    for (const { position, type } of returned) {
      if (!this.#unroutable.has(position)) {
        this.#options.logger.warn({ code: "unroutable", type }, "no queue takes this event yet, it waits");
      }
      this.#unroutable.set(position, retryAt);
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
    const { pool } = this.#options;
    const xid = await deleteConfirmed(pool, this.#held(), this.#leaseMs, positions, batch);
    if (xid === null) throw new LeaseLost();
    this.#renewAt = performance.now() + this.#leaseMs / 3;
    this.#cursor.passed(xid);
  }

  /** At most once per heartbeatMs, and only when numbers were given since the last. */
  async #beat(): Promise<void> {
    if (performance.now() < this.#heartbeatAt) return;
    this.#heartbeatAt = performance.now() + this.#heartbeatMs / 10;
    const { source } = this.#options;
    await inTransaction(this.#options.pool, async (tx) => {
      const beat = await takeHeartbeat(tx, this.#held(), this.#heartbeatMs);
      if (beat === null) return;
      const event = auditEvent(null, {
        type: `medvault.${source}.producer.heartbeat.v1`,
        subject: `producer/${source}`,
        action: "producer:heartbeat",
        reason: "scheduled",
        details: { epoch: beat.epoch, lastSeq: beat.lastSeq },
      });
      await insertEvents(tx, [toOutboxEvent(source, event)]);
    });
  }

  async #afterFailure(error: unknown): Promise<void> {
    const code = codeOf(error);
    // The connection has logged that the broker is away.
    if (code !== this.#loggedCode && this.#options.broker.state() === "connected") {
      this.#loggedCode = code;
      this.#options.logger.warn({ code }, "relay waits");
    }
    if (error instanceof LeaseLost) this.#lease = null;
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
