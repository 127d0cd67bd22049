// The three servers with TLS of their own, and our clients before them: who is good gets in, who is
// not is refused in words.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ConnectionOptions } from "node:tls";
import { generateKeyFile } from "@medvault/keys/operations";
import { connectBroker } from "@medvault/messaging";
import { createPool, type DatabaseUnavailable, SERVICES_WITH_DATA } from "@medvault/postgres";
import { createLogger, openTls } from "@medvault/service-kit";
import {
  certificateFiles,
  createProxy,
  createTestAuthority,
  type TestAuthority,
  type TestCertificate,
  testAssertions,
  testLogger,
} from "@medvault/testing";
import { Redis } from "ioredis";
import { Agent, fetch } from "undici";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { dataDir, root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { serviceDsn } from "../run/services.ts";
import { serverDir, serverFile } from "./files.ts";
import type { Infrastructure } from "./infrastructure.ts";
import { claimPorts } from "./ports.ts";
import { loadSecrets } from "./secrets.ts";
import { testServers } from "./test-servers.ts";

const EXPIRED = new Date(Date.now() - 60_000);

const data = dataDir(fs.mkdtempSync(path.join(os.tmpdir(), "medvault-tls-servers-")));
const secrets = loadSecrets(data);
let servers: Infrastructure;
let release = () => {};
let adminPort: number;
let ours: TestAuthority;
let strangers: TestAuthority;
/** Where each server speaks TLS, on `host`, and where it does not. */
let urls: Record<"postgres" | "redis" | "amqp", { tls: (host: string) => string; plain: string }>;

/** As the servers' user reads them; their certificate is good for 127.0.0.1 and for no name. */
function writeCertificate({ cert, key }: TestCertificate): { cert: string; key: string; ca: string } {
  const dir = serverDir(path.join(data, "tls"));
  const write = (name: string, text: string) => serverFile(path.join(dir, name), text);
  return { cert: write("cert.pem", cert), key: write("key.pem", key), ca: write("ca.pem", ours.ca) };
}

beforeAll(async () => {
  [ours, strangers] = await Promise.all([createTestAuthority("ours"), createTestAuthority("strangers")]);
  const { cert, key, ca } = writeCertificate(await ours.issue({ names: ["127.0.0.1"] }));
  const claimed = await claimPorts(data, undefined);
  ({ release } = claimed);
  const { ports } = claimed;
  adminPort = ports.auditAdmin;
  const secure = { redis: ports.base + 30, amqp: ports.base + 31 }; // of the block, and nobody's
  const settings = {
    postgres: ["ssl=on", `ssl_cert_file=${cert}`, `ssl_key_file=${key}`],
    redis: [
      `tls-port ${secure.redis}`,
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${ca}`,
      "tls-auth-clients yes",
    ],
    rabbitmq: [
      `listeners.ssl.1 = 127.0.0.1:${secure.amqp}`,
      `ssl_options.cacertfile = ${ca}`,
      `ssl_options.certfile = ${cert}`,
      `ssl_options.keyfile = ${key}`,
      "ssl_options.verify = verify_peer",
      "ssl_options.fail_if_no_peer_cert = true",
    ],
  };
  servers = await testServers({ data, ports, settings });
  const { databaseUrl, redisUrl, amqpUrl } = servers;
  urls = {
    postgres: {
      tls: (host) => `${databaseUrl.replace("127.0.0.1", host)}?sslmode=verify-full`,
      plain: process.env.MEDVAULT_TEST_DATABASE_URL ?? "",
    },
    redis: { tls: (host) => secured(redisUrl, host, secure.redis), plain: redisUrl },
    amqp: { tls: (host) => secured(amqpUrl, host, secure.amqp), plain: amqpUrl },
  };
  await servers.start();
}, 90_000);
afterAll(async () => {
  const { running } = servers;
  await Promise.all(running.map((one) => one.stop(one.program.name === "rabbitmq" ? 500 : undefined)));
  release();
  fs.rmSync(data, { recursive: true, force: true });
}, 30_000);

/** The URL of the same server where it speaks TLS. */
const secured = (url: string, host: string, port: number) =>
  url.replace(/^(redis|amqp):(.*)@.*:\d+/, `$1s:$2@${host}:${port}`);

/** What a service of this authority's certificate, trusting that authority, connects with. */
async function given(trusts: TestAuthority, own: TestAuthority | null = ours): Promise<ConnectionOptions> {
  const files = certificateFiles();
  onTestFinished(() => files.remove());
  files.write({ ca: trusts.ca, ...(own ? await own.issue() : {}) });
  const tls = await openTls(files.settings, createLogger({ service: "test", level: "silent" }));
  tls.close();
  return tls.outgoing;
}

/** "ok", or why not, of each server. */
const outcome = {
  async postgres(url: string, tls: ConnectionOptions): Promise<string> {
    const pool = createPool({ connectionString: url, applicationName: "tls test", tls });
    try {
      const { rows } = await pool.query<{ ssl: boolean }>(
        "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
      );
      return rows[0]?.ssl ? "ok" : "plain";
    } catch (error) {
      const cause = (error as DatabaseUnavailable).cause as NodeJS.ErrnoException | undefined;
      return cause?.code ?? cause?.message ?? String(error);
    } finally {
      await pool.end();
    }
  },
  async redis(url: string, tls: ConnectionOptions): Promise<string> {
    const client = new Redis(url, { tls, lazyConnect: true, retryStrategy: null, connectTimeout: 1_500 });
    let code = "";
    client.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    try {
      await client.connect();
      return (await client.ping()) === "PONG" ? "ok" : "no answer";
    } catch (error) {
      return code || String(error);
    } finally {
      client.disconnect();
    }
  },
  async amqp(url: string, tls: ConnectionOptions): Promise<string> {
    const logger = testLogger();
    const broker = connectBroker({ url, logger, tls });
    try {
      return await vi.waitFor(
        () => {
          const away = logger.lines.find(({ level }) => level === "warn");
          if (away) return String((away.fields as { code?: string }).code);
          expect(broker.state()).toBe("connected");
          return "ok";
        },
        { timeout: 8_000 },
      );
    } finally {
      await broker.close();
    }
  },
};
const SERVERS = ["postgres", "redis", "amqp"] as const;

test("a client that trusts the CA gets in over TLS, with a certificate where one is required", async () => {
  for (const name of SERVERS)
    expect([name, await outcome[name](urls[name].tls("127.0.0.1"), await given(ours))]).toEqual([name, "ok"]);
});

test("in production a migration and a service run against them, and the service is asked over TLS", async () => {
  const files = certificateFiles();
  onTestFinished(() => files.remove());
  files.write({ ca: ours.ca, clientCa: ours.ca, ...(await ours.issue()) });
  const env = { PATH: process.env.PATH ?? "", NODE_ENV: "production", ...files.settings };
  const superuser = urls.postgres.tls("127.0.0.1");
  const roles = Object.fromEntries(["owner", ...SERVICES_WITH_DATA].map((name) => [name, secrets.owner]));
  const migrated = await run(process.execPath, [...NODE_FLAGS, "tools/migrate.ts"], {
    cwd: root,
    env: {
      ...env,
      MEDVAULT_SUPERUSER_DATABASE_URL: superuser,
      MEDVAULT_OWNER_DATABASE_URL: serviceDsn(superuser, "medvault_owner", secrets.owner),
      MEDVAULT_ROLE_PASSWORDS: JSON.stringify(roles),
    },
  });
  expect(migrated.code, migrated.words).toBe(0);
  const keys = path.join(data, "keys.json");
  await generateKeyFile(keys, "audit");
  const jwks = path.join(data, "jwks.json");
  fs.writeFileSync(jwks, JSON.stringify((await testAssertions()).jwks));
  const service = spawn(process.execPath, [...NODE_FLAGS, "services/audit/src/main.ts"], {
    cwd: root,
    env: {
      ...env,
      PORT: "0",
      ADMIN_PORT: String(adminPort),
      DATABASE_URL: serviceDsn(superuser, "medvault_audit", secrets.owner),
      AMQP_URL: urls.amqp.tls("127.0.0.1"),
      MEDVAULT_KEYS_FILE: keys,
      MEDVAULT_ASSERTION_JWKS_FILE: jwks,
      MEDVAULT_AUDIT_DIR: path.join(data, "audit"),
      MEDVAULT_AUTH_URL: "https://127.0.0.1:1",
      MEDVAULT_RECORDS_URL: "https://127.0.0.1:1",
    },
    stdio: "ignore",
  });
  onTestFinished(() => void service.kill("SIGKILL"));
  const dispatcher = new Agent({ connect: { ca: ours.ca } });
  onTestFinished(() => dispatcher.close());
  const readiness = async () => (await fetch(`https://127.0.0.1:${adminPort}/readyz`, { dispatcher })).text();
  await vi.waitFor(async () => expect(await readiness()).toMatch(/"postgres":"ok","rabbitmq":"ok"/), {
    timeout: 15_000,
    interval: 100,
  });
}, 40_000);

test("a server of a CA that is not trusted is refused, and one with another's name", async () => {
  for (const name of SERVERS) {
    const untrusted = await outcome[name](urls[name].tls("127.0.0.1"), await given(strangers));
    expect([name, untrusted]).toEqual([
      name,
      expect.stringMatching(/^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/),
    ]);
    expect([name, await outcome[name](urls[name].tls("localhost"), await given(ours))]).toEqual([
      name,
      "ERR_TLS_CERT_ALTNAME_INVALID",
    ]);
  }
});

test("a client without a certificate, or with a stranger's, is refused where one is required", async () => {
  for (const name of ["redis", "amqp"] as const) {
    for (const own of [null, strangers]) {
      const answer = await outcome[name](urls[name].tls("127.0.0.1"), await given(ours, own));
      expect([name, answer]).toEqual([name, expect.not.stringMatching(/^(ok|undefined|)$/)]);
    }
  }
});

test("a server that speaks no TLS is refused: nothing goes on in plain", async () => {
  const tls = await given(ours);
  const secure = (url: string) => url.replace(/^(redis|amqp):/, "$1s:");
  expect(await outcome.postgres(`${urls.postgres.plain}?sslmode=verify-full`, tls)).toMatch(
    /does not support SSL/,
  );
  expect(await outcome.redis(secure(urls.redis.plain), tls)).not.toBe("ok");
  expect(await outcome.amqp(secure(urls.amqp.plain), tls)).toMatch(/^ERR_SSL_/);
});

test("connections that come back trust what the file says by then", async () => {
  const files = certificateFiles();
  onTestFinished(() => files.remove());
  files.write({ ca: strangers.ca, ...(await ours.issue()) });
  const tls = await openTls(files.settings, createLogger({ service: "test", level: "silent" }), 20);
  const pool = createPool({
    connectionString: urls.postgres.tls("127.0.0.1"),
    applicationName: "tls test",
    tls: tls.outgoing,
  });
  const client = new Redis(urls.redis.tls("127.0.0.1"), { tls: tls.outgoing, retryStrategy: () => 50 });
  client.on("error", () => {});
  const logger = testLogger();
  const broker = connectBroker({ url: urls.amqp.tls("127.0.0.1"), logger, tls: tls.outgoing });
  onTestFinished(async () => {
    tls.close();
    client.disconnect();
    await Promise.all([pool.end(), broker.close()]);
  });
  await expect(pool.query("select 1")).rejects.toThrow("not available");
  await vi.waitFor(() => expect(logger.lines).toHaveLength(1));
  expect([client.status, broker.state()]).not.toContain("connected");
  files.write({ ca: ours.ca });
  await vi.waitFor(() => pool.query("select 1"), { timeout: 5_000 });
  await vi.waitFor(() => expect([client.status, broker.state()]).toEqual(["ready", "connected"]), {
    timeout: 5_000,
  });
});

test("a server whose certificate has expired is refused", async () => {
  const tls = await given(ours);
  const expired = await ours.issue({ notAfter: EXPIRED });
  for (const name of ["redis", "amqp"] as const) {
    const front = await createProxy(urls[name].plain, expired);
    expect([name, await outcome[name](front.url, tls)]).toEqual([name, "CERT_HAS_EXPIRED"]);
    await front.close();
  }
  writeCertificate(expired);
  const admin = createPool({
    connectionString: urls.postgres.tls("127.0.0.1").replace("?sslmode=verify-full", ""),
    applicationName: "admin",
  });
  await admin.query("select pg_reload_conf()");
  await admin.end();
  await vi.waitFor(
    async () => expect(await outcome.postgres(urls.postgres.tls("127.0.0.1"), tls)).toBe("CERT_HAS_EXPIRED"),
    { timeout: 5_000 },
  );
});

test.each([
  "require",
  "prefer",
  "allow",
  "verify-ca",
  "no-verify",
  "verify-full&sslmode=disable",
  "verify-full&ssl=0",
])("a database URL with sslmode=%s is refused before anything is sent", async (mode) => {
  const url = urls.postgres.tls("127.0.0.1").replace("verify-full", mode);
  expect(() => createPool({ connectionString: url, applicationName: "x" })).toThrow(/sslmode=verify-full/);
});
