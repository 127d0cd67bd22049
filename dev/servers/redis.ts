import path from "node:path";
import { serverDir, serverFile } from "./files.ts";
import { answers } from "./probe.ts";
import type { Program } from "./supervise.ts";
import { asServerProgram, type ServerOptions } from "./toolchain.ts";

export interface RedisOptions extends ServerOptions {
  port: number;
  password: string;
}

/**
 * A private Redis under <data>/redis with an append-only file; it never evicts, since sessions are
 * no cache.
 */
export function redis(o: RedisOptions): Program {
  const dir = path.join(o.data, "redis");
  const config = path.join(dir, "redis.conf");
  return {
    name: "redis",
    command: o.tools.redisServer,
    args: [config],
    ...asServerProgram(o),
    prepare: () => {
      serverDir(dir);
      serverFile(config, lines(o, dir));
    },
    port: o.port,
    isReady: () => answers(o.port, `AUTH ${o.password}\r\nPING\r\n`, (bytes) => bytes.includes("+PONG")),
    stopSignal: "SIGTERM",
    stopGraceMs: 5_000,
  };
}

function lines(o: RedisOptions, dir: string): string {
  return [
    "bind 127.0.0.1",
    `port ${o.port}`,
    `dir ${dir}`,
    "daemonize no",
    `requirepass ${o.password}`,
    "appendonly yes",
    'save ""', // a second copy, which a full disk would have it refuse writes for
    "maxmemory 256mb",
    "maxmemory-policy noeviction",
    "databases 64", // tests take one each
    ...(o.settings ?? []),
    "",
  ].join("\n");
}
