import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createKeyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { connectBroker } from "@medvault/messaging";
import {
  createProxy,
  createTestBroker,
  createTestDatabase,
  type TestProxy,
  testAssertions,
  testLogger,
} from "@medvault/testing";
import { expect, vi } from "vitest";
import { event, givenLog, ORIGIN } from "./log-harness.ts";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));
/** More than a writer puts up with, by the default lease too. */
const SLOW_MS = 1_400;
const OPEN = '"msg":"audit log is open for writing"';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 60_000, interval: 20 });

/**
 * The service twice, as it runs, over one database, one broker and one directory, each of which
 * reaches them on a way of its own. `leaseMs` null: the default.
 */
export async function givenReplicas(leaseMs: number | null) {
  const [database, rabbit] = await Promise.all([createTestDatabase(["audit"]), createTestBroker()]);
  const folder = await mkdtemp(join(tmpdir(), "medvault-replicas-"));
  const keysFile = join(folder, "audit.json");
  await generateKeyFile(keysFile, "audit");
  const log = await givenLog(database, await createKeyring({ service: "audit", keysFile }));
  const jwksFile = join(folder, "gateway.jwks.json");
  await writeFile(jwksFile, JSON.stringify((await testAssertions()).jwks));
  await mkdir(join(folder, "unmounted"));

  async function replica(name: string) {
    const postgres = await createProxy(database.url("audit"));
    const amqp = await createProxy(rabbit.url("audit"));
    const directory = join(folder, name);
    await symlink(log.dir, directory);
    const faulty = new URL("faulty-disk.ts", import.meta.url);
    faulty.search = new URLSearchParams({ directory, slowMs: String(SLOW_MS) }).toString();
    let child: ChildProcess;
    let opened = 0;
    function start(): void {
      const env = {
        ...{ NODE_ENV: "test", PORT: "0", ADMIN_PORT: "0", LOG_LEVEL: "info" },
        ...{ DATABASE_URL: postgres.url, AMQP_URL: amqp.url, MEDVAULT_KEYS_FILE: keysFile },
        ...{
          MEDVAULT_ASSERTION_JWKS_FILE: jwksFile,
          MEDVAULT_AUDIT_DIR: directory,
          MEDVAULT_AUDIT_ORIGIN: ORIGIN,
        },
        ...{ MEDVAULT_AUTH_URL: "http://127.0.0.1:1", MEDVAULT_RECORDS_URL: "http://127.0.0.1:1" },
        MEDVAULT_AUDIT_CHECKPOINT_MS: "100",
        ...(leaseMs === null ? {} : { MEDVAULT_AUDIT_LEASE_MS: String(leaseMs) }),
      };
      child = spawn(process.execPath, ["--import", faulty.href, MAIN], {
        env,
        stdio: ["ignore", "pipe", "inherit", "ipc"],
      });
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        opened += text.split(OPEN).length - 1;
      });
    }
    async function mount(target: string): Promise<void> {
      await rm(directory);
      await symlink(target, directory);
    }
    start();
    return {
      ...{ postgres, amqp, start },
      /** How often it began to write. */
      opened: () => opened,
      signal: (signal: NodeJS.Signals) => child.kill(signal),
      disk: (state: "well" | "away" | "hangs" | "slow") => child.send(state),
      unmount: () => mount(join(folder, "unmounted")),
      mount: () => mount(log.dir),
      async kill(): Promise<void> {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      },
    };
  }

  const first = await replica("first");
  await until(() => expect(first.opened()).toBe(1));
  const second = await replica("second");
  const sender = connectBroker({ url: rabbit.url("records"), logger: testLogger() });
  const acknowledged: string[] = [];
  let sent = 0;

  return {
    ...{ log, acknowledged, replicas: [first, second] as const, until },
    /** Until a standby says that it is ready. */
    standingBy: () =>
      until(async () => {
        const { rowCount } = await log.superuser.query(
          "select from standbys where ready_until > now() and owner <> (select owner from writer)",
        );
        expect(rowCount).toBeGreaterThan(0);
      }),
    /** Sends events until it is told to stop; notes those that RabbitMQ acknowledged. */
    async sending(): Promise<() => Promise<void>> {
      await until(() => expect(sender.state()).toBe("connected"));
      const channel = await sender.createConfirmChannel();
      const timer = setInterval(() => {
        const some = [event(++sent), event(++sent)];
        const options = { persistent: true, mandatory: true, userId: "records" };
        const contentType = "application/cloudevents-batch+json";
        channel.publish(
          "medvault.events",
          "medvault.records.audit",
          Buffer.from(JSON.stringify(some)),
          { ...options, contentType },
          (refused) => {
            if (!refused) acknowledged.push(...some.map(({ id }) => id));
          },
        );
      }, 40);
      return async () => {
        clearInterval(timer);
        await channel.waitForConfirms();
        await channel.close();
      };
    },
    async end(): Promise<void> {
      await Promise.all([first.kill(), second.kill()]);
      await sender.close();
      await Promise.all(
        [first, second]
          .flatMap(({ postgres, amqp }): TestProxy[] => [postgres, amqp])
          .map((proxy) => proxy.close()),
      );
      await log.end();
      await Promise.all([database.drop(), rabbit.close(), rm(folder, { recursive: true, force: true })]);
    },
    checkpoint: async () => (await log.outside.readCheckpoint()) ?? "",
  };
}
export type Replicas = Awaited<ReturnType<typeof givenReplicas>>;
