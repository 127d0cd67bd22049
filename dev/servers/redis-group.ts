// Three Redis, of which one leads, and three sentinels, all on this machine and all with TLS.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sharedPath } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import { privateDir, serverDir, serverFile } from "./files.ts";
import { answers } from "./probe.ts";
import { type RedisOptions, redis } from "./redis.ts";
import { type Program, Supervised } from "./supervise.ts";
import { toolchain } from "./toolchain.ts";

export interface RedisGroupOptions {
  data: string;
  /** The first of twelve free ones. */
  port: number;
  /** Files that the servers' user may read; good for 127.0.0.1. */
  tls: { cert: string; key: string; ca: string };
  password: string;
  sentinelPassword: string;
  /** Until a silent leader counts as gone. */
  downAfterMs?: number;
  say?: (line: string) => void;
}

export interface RedisGroup {
  readonly url: string;
  readonly sentinels: string;
  /** By the port of its TLS; those that were killed are not there. */
  readonly servers: ReadonlyMap<number, Supervised>;
  /** Until all know each other. */
  start(): Promise<void>;
  /** The TLS port of the server that leads, as most sentinels say. */
  leader(): Promise<number>;
  /** kill -9, of a server by the port of its TLS; nothing starts it again. */
  kill(port: number): Promise<void>;
  /** A killed one again, which finds its place by itself. */
  revive(port: number): Promise<void>;
  stop(): Promise<void>;
}

const NAME = "medvault";

/** The programs of the group, not yet started. */
export async function redisGroup(o: RedisGroupOptions): Promise<RedisGroup> {
  const { say = () => {} } = o;
  const tools = await toolchain(sharedPath("toolchain"), say, new AbortController().signal);
  const logs = privateDir(path.join(o.data, "log"));
  const watcher = { say, onChange: () => {} };
  const secured = (at: number) => o.port + 2 * at + 1;
  const options = (name: string, at: number, settings: string[]): RedisOptions => ({
    ...{ tools, data: path.join(o.data, name), log: path.join(logs, `${name}.log`) },
    ...{ port: o.port + 2 * at, password: o.password },
    settings: [
      `tls-port ${secured(at)}`,
      `tls-cert-file ${o.tls.cert}`,
      `tls-key-file ${o.tls.key}`,
      `tls-ca-cert-file ${o.tls.ca}`,
      "tls-auth-clients no",
      "tls-replication yes",
      ...settings,
    ],
  });
  const killed = (name: string, program: Program): Program => ({
    ...program,
    name,
    stopSignal: "SIGKILL",
    stopGraceMs: 2_000,
  });
  const server = (at: number, leads: number) => {
    const name = `redis-${at + 1}`;
    const own = options(name, at, [
      `masterauth ${o.password}`,
      "min-replicas-to-write 1",
      "min-replicas-max-lag 2",
      "repl-diskless-sync-delay 0",
      ...(at === leads ? [] : [`replicaof 127.0.0.1 ${secured(leads)}`]),
    ]);
    serverDir(own.data);
    return new Supervised(killed(name, redis(own)), watcher);
  };
  const sentinel = (at: number) => {
    const name = `sentinel-${at - 2}`;
    const own = options(name, at, [
      `sentinel monitor ${NAME} 127.0.0.1 ${secured(0)} 2`,
      `sentinel auth-pass ${NAME} ${o.password}`,
      `sentinel down-after-milliseconds ${NAME} ${o.downAfterMs ?? 5_000}`,
      `sentinel failover-timeout ${NAME} 10000`,
      `sentinel parallel-syncs ${NAME} 2`,
    ]);
    return new Supervised(killed(name, sentinelProgram({ ...own, password: o.sentinelPassword })), watcher);
  };
  const servers = new Map([0, 1, 2].map((at) => [secured(at), server(at, 0)]));
  const sentinels = [3, 4, 5].map(sentinel);
  const cli = tools.redisServer.replace(/server$/, "cli");
  const ask = async (at: number, ...question: string[]): Promise<string> => {
    const args = ["-p", String(o.port + 2 * at), "--no-auth-warning", ...question];
    const env = { ...sentinels[0]?.program.env, REDISCLI_AUTH: at > 2 ? o.sentinelPassword : o.password };
    return (await run(cli, args, { cwd: "/", env })).out;
  };
  const untilSaid = async (what: RegExp, at: number, ...question: string[]): Promise<void> => {
    const until = Date.now() + 60_000;
    while (!what.test(await ask(at, ...question))) {
      if (Date.now() > until) throw new Trouble(`the group of Redis is not whole after 60 s: see ${logs}.`);
      await sleep(100);
    }
  };
  return {
    url: `rediss://:${o.password}@${NAME}/0`,
    sentinels: [3, 4, 5].map((at) => `127.0.0.1:${secured(at)}`).join(","),
    servers,
    async start() {
      for (const one of [...servers.values(), ...sentinels]) await one.start();
      await untilSaid(/min_slaves_good_slaves:2/, 0, "info", "replication");
      const whole = /num-slaves\n2\n[\s\S]*num-other-sentinels\n2\n/;
      for (const at of [3, 4, 5]) await untilSaid(whole, at, "sentinel", "master", NAME);
    },
    async leader() {
      const said = [3, 4, 5].map((at) => ask(at, "sentinel", "get-master-addr-by-name", NAME));
      const ports = (await Promise.all(said))
        .map((text) => Number(text.split("\n")[1]))
        .sort((a, b) => a - b);
      return ports[1] ?? 0;
    },
    async kill(port) {
      await servers.get(port)?.stop();
      servers.delete(port);
    },
    async revive(port) {
      const again = server((port - o.port - 1) / 2, -1);
      servers.set(port, again);
      await again.start();
    },
    async stop() {
      for (const one of [...sentinels, ...servers.values()]) await one.stop();
    },
  };
}

/** It writes what it learns into its configuration, which is written again at each start. */
function sentinelProgram(o: RedisOptions): Program {
  const dir = path.join(o.data, "sentinel");
  const config = path.join(dir, "sentinel.conf");
  const base = redis(o);
  const lines = ["bind 127.0.0.1", `port ${o.port}`, `dir ${dir}`, `requirepass ${o.password}`];
  return {
    ...base,
    args: [config, "--sentinel"],
    prepare: () => {
      serverDir(o.data);
      serverDir(dir);
      serverFile(config, `${[...lines, ...(o.settings ?? [])].join("\n")}\n`);
    },
    isReady: () => answers(o.port, `AUTH ${o.password}\r\nPING\r\n`, (bytes) => bytes.includes("+PONG")),
  };
}
