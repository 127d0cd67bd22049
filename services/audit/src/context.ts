import { signingKey, tableKey } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import type { Parts } from "@medvault/runtime";
import {
  type Delegations,
  delegationsOf,
  type Locate,
  type Logger,
  openLocations,
  type People,
  peopleClient,
} from "@medvault/service-kit";
import type pg from "pg";
import { openedNotice } from "./alerts/alert-notice.ts";
import { Detector } from "./alerts/detection.service.ts";
import { rulesOf } from "./alerts/every-rule.ts";
import { createNoteSeal, type NoteSeal } from "./alerts/note-seal.ts";
import { type AlertSettings, alertSettings } from "./alerts/settings.ts";
import type { AuditConfig } from "./config.ts";
import { channelsOf } from "./delivery/channels.client.ts";
import { queueDeliveries } from "./delivery/delivery.service.ts";
import type { Channels } from "./delivery/delivery.ts";
import { type ArrivalCount, createArrivalCount } from "./log/arrival-count.service.ts";
import { createSnapshotSeal } from "./log/arrival-snapshot.store.ts";
import { type BodySeal, createBodySeal } from "./log/body-seal.ts";
import { type CheckpointSigner, createSigner } from "./log/signer.ts";
import { writerRefused } from "./log/writer.events.ts";
import { LogWriter } from "./log/writer.service.ts";
import { type OwnCharts, ownChartsClient } from "./my-access/own-charts.client.ts";
import { createOutsideDirectory, type OutsideStore } from "./outside/outside.store.ts";
import { createScrubber, type Scrubber } from "./scrubber/scrubber.service.ts";
import { Places } from "./stream/places.ts";
import { Streams } from "./stream/streams.ts";
import { Tail } from "./stream/tail.service.ts";
import type { Witnessed } from "./witnesses/witness.service.ts";

/** The log in Postgres, what is kept of it outside, and the keys of both. */
export interface LogContext {
  readonly pool: pg.Pool;
  readonly outside: OutsideStore;
  readonly seal: BodySeal;
  readonly signer: CheckpointSigner;
  readonly arrivals: ArrivalCount;
  readonly logger: Logger;
  readonly now: () => Date;
}

/** What the use cases share. */
export interface Context extends LogContext {
  readonly writer: LogWriter;
  readonly detector: Detector;
  readonly noteSeal: NoteSeal;
  readonly scrubber: Scrubber;
  readonly alertSettings: AlertSettings;
  /** A use case awaits the event of what it did before it answers. */
  readonly appender: Pick<Appender, "append">;
  readonly people: People;
  readonly delegations: Delegations;
  readonly ownCharts: OwnCharts;
  /** Where an address is; null: no file says so, and rules about places are off. */
  readonly locate: Locate | null;
  /** By which alerts go out. */
  readonly channels: Channels;
  /** Who cosigns checkpoints. */
  readonly cosigning: Witnessed;
  /** The longest that a proof waits for its checkpoint. */
  readonly proofWaitMs: number;
  /** Those who follow the log, and what they follow. */
  readonly streams: Streams;
  /** Exports read at the pace of their readers: too many would take Postgres from the writer. */
  readonly exportPlaces: Places;
  readonly tail: Tail;
  readonly retention: RetentionRules;
  /** One verification at a time: each reads the whole log. */
  readonly verification: { isRunning: boolean };
}

/** How long entries are kept; held: nothing is dropped, however old it is. */
interface RetentionRules {
  readonly years: number;
  readonly isHeld: boolean;
}

/** Waits that no operator sets; tests have their own. */
interface Waits {
  readonly retryMs: number;
  readonly proofWaitMs: number;
  /** How long a stream may say nothing, and its reader take nothing. */
  readonly heartbeatMs: number;
  readonly stalledMs: number;
}
const WAITS: Waits = { retryMs: 1_000, proofWaitMs: 1_500, heartbeatMs: 15_000, stalledMs: 30_000 };

/** Nothing is written before the writer is started. */
export async function openContext(
  { config, pool, keyring, broker, appender, logger, tls, now, onStop }: Parts<AuditConfig>,
  waits: Partial<Waits> = {},
): Promise<Context> {
  const { retryMs, proofWaitMs, heartbeatMs, stalledMs } = { ...WAITS, ...waits };
  const { publicKey, sign } = await signingKey(pool, keyring, "checkpoints");
  const logKey = await tableKey(pool, keyring, "log");
  const seal = createBodySeal(logKey);
  const outside = createOutsideDirectory(config.MEDVAULT_AUDIT_DIR);
  const signer = createSigner(config.MEDVAULT_AUDIT_ORIGIN, publicKey, sign);
  const log: LogContext = {
    ...{ pool, seal, logger, now },
    ...{ outside, signer },
    arrivals: createArrivalCount(pool, seal, createSnapshotSeal(logKey), { outside, signer }),
  };
  const writer = new LogWriter(log, {
    onRefusal: (code) => appender.append(writerRefused(code)),
    // One that is short of disk takes nothing of anyone: no other process would fare better.
    hasBroker: () => ["connected", "blocked"].includes(broker.state()),
    checkpointMs: config.MEDVAULT_AUDIT_CHECKPOINT_MS,
    leaseMs: config.MEDVAULT_AUDIT_LEASE_MS,
    maxStartLeaves: config.MEDVAULT_AUDIT_START_ENTRIES,
    retryMs,
  });
  const channels = channelsOf(config, now);
  const { MEDVAULT_GEOIP_FILE: geoip } = config;
  const locate = geoip ? await openLocations(geoip) : null;
  if (!locate) logger.info("no MEDVAULT_GEOIP_FILE: no alert for new countries or impossible travel");
  const settings = alertSettings(config);
  const detector = new Detector(log, {
    rules: rulesOf(settings, locate),
    async onOpened(tx, opened) {
      for (const alert of opened) {
        const notice = openedNotice(alert, now());
        await queueDeliveries({ channels, now }, tx, notice, { change: "opened", rev: 1 });
      }
    },
  });
  onStop(() => detector.stop());
  const noteSeal = createNoteSeal(await tableKey(pool, keyring, "alerts"));
  const scrubber = createScrubber(log, config.MEDVAULT_AUDIT_SCRUB_ENTRIES);
  const people = peopleClient(config.MEDVAULT_AUTH_URL, tls);
  onStop(() => people.close());
  const delegations = delegationsOf(config.MEDVAULT_AUTH_URL, tls);
  onStop(() => delegations.close());
  const ownCharts = ownChartsClient(config.MEDVAULT_RECORDS_URL, tls);
  onStop(() => ownCharts.close());
  onStop(() => writer.stop());
  const retention = {
    years: config.MEDVAULT_AUDIT_RETENTION_YEARS,
    isHeld: config.MEDVAULT_AUDIT_LEGAL_HOLD,
  };
  const streams = new Streams({ heartbeatMs, stalledMs });
  onStop(() => streams.settled());
  const witnesses = config.MEDVAULT_AUDIT_WITNESSES ?? [];
  const quorum = Math.min(config.MEDVAULT_AUDIT_QUORUM ?? witnesses.length, witnesses.length);
  const cosigning = { witnesses, quorum };
  const asked = { people, delegations, ownCharts };
  const exportPlaces = new Places({ most: 8, ofPerson: 3 });
  const others = { ...asked, detector, noteSeal, scrubber, streams, exportPlaces, tail: new Tail(log) };
  return {
    ...log,
    channels,
    cosigning,
    locate,
    alertSettings: settings,
    writer,
    appender,
    ...others,
    retention,
    proofWaitMs,
    verification: { isRunning: false },
  };
}
