import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { childNamed } from "../lib/processes.mjs";
import { Trouble } from "../lib/words.mjs";
import { serverDir, serverFile } from "./files.ts";
import { answers } from "./probe.ts";
import type { Program } from "./supervise.ts";
import { asServerProgram, type ServerOptions } from "./toolchain.ts";

export interface RabbitOptions extends ServerOptions {
  ports: { amqp: number; management: number; erlang: number; epmd: number };
  cookie: string;
  vhost: string;
  /** Its name before the @, where there are several; the store is named after it. */
  nodeName?: string;
  /** RabbitMQ's definitions: users, virtual hosts, permissions; read at every start. */
  definitions: object;
}

/**
 * Erlang's name server, one of our own on 127.0.0.1; RabbitMQ would start one that listens
 * everywhere and outlives it.
 */
export function epmd(o: RabbitOptions): Program {
  return {
    name: "epmd",
    command: path.join(o.tools.erlang, "epmd"),
    args: ["-address", "127.0.0.1", "-port", String(o.ports.epmd)],
    ...asServerProgram({ ...o, log: path.join(path.dirname(o.log), "epmd.log") }),
    port: o.ports.epmd,
    // NAMES_REQ.
    isReady: () => answers(o.ports.epmd, Buffer.from([0, 1, 110]), (bytes) => bytes.length >= 4),
    stopSignal: "SIGTERM",
    stopGraceMs: 1_000,
  };
}

/** A private RabbitMQ with its management API under <data>/rabbitmq. */
export function rabbitmq(o: RabbitOptions): Program {
  const dir = path.join(o.data, "rabbitmq");
  return {
    name: "rabbitmq",
    command: path.join(o.tools.rabbitmq, "rabbitmq-server"),
    args: [],
    ...asServerProgram(o, environment(o, dir)),
    isLogPiped: true,
    stuckAfterMs: 60_000, // booting takes 6 to 15 s
    prepare: () => {
      writeConfig(o, dir);
      requireRoom(dir);
    },
    port: o.ports.amqp,
    isReady: () =>
      // Connection.Start.
      answers(o.ports.amqp, Buffer.from([65, 77, 81, 80, 0, 0, 9, 1]), (bytes) => bytes[0] === 1),
    stopSignal: "SIGTERM",
    stopTarget: (shell) => childNamed(shell, /beam/), // the shell around it would only wait
    stopGraceMs: 9_000, // 3.10 takes 6 s
  };
}

const MIN_FREE_MIB = 16;

/** Booting on a full disk it neither ends nor answers, also once there is room again. */
function requireRoom(dir: string): void {
  const { bavail, bsize } = fs.statfsSync(dir);
  if ((bavail * bsize) / 2 ** 20 >= MIN_FREE_MIB) return;
  throw new Trouble(`RabbitMQ needs ${MIN_FREE_MIB} MiB of room for ${dir}: free some space.`);
}

function writeConfig(o: RabbitOptions, dir: string): void {
  serverDir(dir);
  for (const sub of ["home", "mnesia", "log", "generated"]) serverDir(path.join(dir, sub));
  serverFile(path.join(dir, "none.conf"), "");
  serverFile(path.join(dir, "home/.erlang.cookie"), o.cookie, 0o400);
  serverFile(path.join(dir, "enabled_plugins"), "[rabbitmq_management].\n");
  serverFile(path.join(dir, "definitions.json"), JSON.stringify(o.definitions));
  const config = [
    `listeners.tcp.1 = 127.0.0.1:${o.ports.amqp}`,
    "management.tcp.ip = 127.0.0.1",
    `management.tcp.port = ${o.ports.management}`,
    `load_definitions = ${dir}/definitions.json`,
    `default_vhost = ${o.vhost}`,
    "vm_memory_high_watermark.absolute = 512MB",
    "disk_free_limit.absolute = 100MB",
    "raft.wal_max_size_bytes = 67108864", // 512 MB by default, held in memory until written
    "log.console = true",
    "log.console.level = warning",
    "log.file = false",
    ...(o.settings ?? []),
  ];
  serverFile(path.join(dir, "rabbitmq.conf"), `${config.join("\n")}\n`);
}

function environment(o: RabbitOptions, dir: string): Record<string, string> {
  return {
    HOME: path.join(dir, "home"),
    RABBITMQ_CONF_ENV_FILE: path.join(dir, "none.conf"),
    RABBITMQ_CONFIG_FILE: path.join(dir, "rabbitmq.conf"),
    RABBITMQ_ADVANCED_CONFIG_FILE: path.join(dir, "advanced.config"),
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(dir, "enabled_plugins"),
    RABBITMQ_GENERATED_CONFIG_DIR: path.join(dir, "generated"),
    RABBITMQ_MNESIA_BASE: path.join(dir, "mnesia"),
    RABBITMQ_LOG_BASE: path.join(dir, "log"),
    RABBITMQ_USE_LONGNAME: "true", // a short name needs a host name that resolves
    // The same whatever the ports: the store is named after it.
    RABBITMQ_NODENAME: `${o.nodeName ?? "medvault"}@127.0.0.1`,
    RABBITMQ_NODE_PORT: String(o.ports.amqp),
    RABBITMQ_DIST_PORT: String(o.ports.erlang),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      // Idle schedulers sleep.
      "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
    ERL_EPMD_PORT: String(o.ports.epmd),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    ERL_CRASH_DUMP_SECONDS: "0", // a crash dump would hold messages
  };
}

/** An administrator as RabbitMQ's definitions have one: salted SHA-256, never the password. */
export function administrator(name: string, password: string) {
  const salt = randomBytes(4);
  const hash = createHash("sha256").update(salt).update(password).digest();
  return {
    name,
    password_hash: Buffer.concat([salt, hash]).toString("base64"),
    hashing_algorithm: "rabbit_password_hashing_sha256",
    tags: "administrator",
  };
}
