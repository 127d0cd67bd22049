// One MedVault on this machine, from nothing to ready, and down again.
import path from "node:path";
import { acquireLock, alreadyRunning } from "../lib/lock.mjs";
import { claimGatewayPort, readyz } from "../lib/ports.mjs";
import { checkGatewayPort } from "../lib/prepare.mjs";
import { forgetRun } from "../lib/stop.mjs";
import { step, Trouble } from "../lib/words.mjs";
import { type Infrastructure, infrastructure } from "../servers/infrastructure.ts";
import { type ClaimedPorts, claimPorts } from "../servers/ports.ts";
import { loadSecrets, SERVICES } from "../servers/secrets.ts";
import { Supervised, type Watcher } from "../servers/supervise.ts";
import { type Dirs, makeDirs } from "./dirs.ts";
import { type DemoUser, removeOps, writeOps } from "./ops.ts";
import { firstPeople } from "./people.ts";
import { untilReady } from "./ready.ts";
import { persistent, recordRun } from "./record.ts";
import { RestoreRunner } from "./restore.ts";
import { type Declared, newProofKeys, publicUrl, type ServiceOptions, service } from "./services.ts";
import { brokerDefinitions, defineAtGivenBroker, makeKeys, migrate, warmCompileCache } from "./setup.ts";
import type { Terminal } from "./terminal.ts";

const VHOST = "medvault";

export interface MedVaultOptions {
  data: string;
  settings: NodeJS.ProcessEnv;
  /** The settings that each process reads. */
  declared: Declared;
  terminal: Terminal;
  /** When the user asked for it, in milliseconds of Date.now(). */
  since: number;
}

export class MedVault {
  readonly #data: string;
  readonly #settings: NodeJS.ProcessEnv;
  readonly #declared: Declared;
  readonly #terminal: Terminal;
  readonly #since: number;
  readonly #watcher: Watcher;
  readonly #stopping = new AbortController();
  readonly #restore: RestoreRunner;
  readonly #gatewayPort: number;
  #unlock: (() => void) | null = null;
  #unclaim: (() => void) | null = null;
  #claimed: ClaimedPorts | null = null;
  #servers: Infrastructure | null = null;
  #services: Supervised[] = [];
  #options: ServiceOptions | null = null;
  #users: DemoUser[] | null = null;

  constructor(o: MedVaultOptions) {
    this.#data = o.data;
    this.#settings = o.settings;
    this.#declared = o.declared;
    this.#terminal = o.terminal;
    this.#since = o.since;
    this.#gatewayPort = Number(o.settings.MEDVAULT_PORT || 8080);
    this.#watcher = { say: o.terminal.say, onChange: persistent(() => this.#record(), o.terminal.say) };
    this.#restore = new RestoreRunner(() => this.#known(), o.terminal.say);
  }

  /** @throws Trouble with the one sentence that says what to do */
  async start(): Promise<void> {
    const { say } = this.#terminal;
    this.#unlock = await acquireLock(path.join(this.#data, "lock"), { onHeld: alreadyRunning });
    removeOps(this.#data);
    await forgetRun(this.#data, say);
    await checkGatewayPort(this.#gatewayPort);
    this.#unclaim = await claimGatewayPort(this.#gatewayPort, this.#data);
    const dirs = makeDirs(this.#data);
    const options = await this.#prepare(dirs);
    await step(say, "starting the six services", () => this.#startServices(options));
    await step(say, "waiting until all is ready", () => this.#untilReady(options));
    this.#users = await firstPeople(options, this.#terminal, this.#stopping.signal);
    this.#watcher.onChange();
    this.#greet(options);
  }

  /**
   * Services first, so that they finish what they are doing; then the servers that they need for
   * it.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#restore.stop();
    await Promise.all(this.#services.map((one) => one.stop()));
    await this.#servers?.stop();
    this.#claimed?.release();
    this.#unclaim?.();
    if (!this.#unlock) return; // never ours: another one's record stays
    await forgetRun(this.#data, this.#terminal.say);
    this.#unlock();
  }

  async #prepare(dirs: Dirs): Promise<ServiceOptions> {
    const { say } = this.#terminal;
    const { signal } = this.#stopping;
    const secrets = loadSecrets(this.#data);
    this.#claimed = await claimPorts(this.#data, this.#settings.MEDVAULT_BASE_PORT, this.#gatewayPort);
    const { ports } = this.#claimed;
    const warm = warmCompileCache(dirs, signal); // beside the servers, the slowest of which takes 5 s
    warm.catch(() => {}); // awaited below; until then its failure is not unhandled
    this.#servers = await infrastructure({
      data: this.#data,
      ports,
      secrets,
      given: this.#settings,
      vhost: VHOST,
      database: "medvault",
      definitions: () => brokerDefinitions(VHOST, secrets),
      watcher: this.#watcher,
      signal,
    });
    const servers = this.#servers;
    const caFile = this.#settings.MEDVAULT_TLS_CA_FILE;
    this.#assertGoing();
    await servers.start();
    this.#assertGoing();
    await warm;
    await step(say, "preparing the database", () => migrate(dirs, servers, secrets, caFile, signal));
    await step(say, "making or proving the keys", () => makeKeys(dirs, servers, secrets, caFile, signal));
    if (servers.brokerGiven) {
      await defineAtGivenBroker(servers, await brokerDefinitions(servers.vhost, secrets), caFile);
    }
    this.#options = {
      ...{ dirs, ports, secrets, servers, gatewayPort: this.#gatewayPort },
      ...{ settings: this.#settings, declared: this.#declared, proofKeys: newProofKeys() },
      onBackupMessage: (message) => this.#restore.onMessage(message),
    };
    return this.#options;
  }

  async #startServices(options: ServiceOptions): Promise<void> {
    this.#assertGoing();
    this.#services = SERVICES.map((name) => new Supervised(service(name, options), this.#watcher));
    const results = await Promise.allSettled(this.#services.map((one) => one.start()));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** Ready is what the gateway says of every part behind it. */
  async #untilReady(options: ServiceOptions): Promise<void> {
    const degraded = await untilReady(() => {
      this.#assertGoing();
      return readyz(publicUrl(options), options.proofKeys.gateway);
    }, options.dirs.logs);
    if (degraded) this.#terminal.say(`Started, though ${degraded}: /readyz on its admin port says why.`);
  }

  #assertGoing(): void {
    if (this.#stopping.signal.aborted) throw new Trouble("It was stopped before it was ready.");
  }

  #known(): ServiceOptions {
    if (!this.#options) throw new Error("not started");
    return this.#options;
  }

  /**
   * ops.json appears when everything that it names is there; from then on it follows every restart.
   */
  #record(): void {
    if (!this.#unlock) return;
    recordRun(this.#data, [...(this.#servers?.running ?? []), ...this.#services]);
    if (this.#users && this.#options) writeOps(this.#options, this.#services, this.#users);
  }

  #greet(options: ServiceOptions): void {
    const { say } = this.#terminal;
    const admin = this.#users?.find(({ role }) => role === "admin");
    say(`MedVault is ready after ${((Date.now() - this.#since) / 1000).toFixed(1)} s: ${publicUrl(options)}`);
    say(
      `Sign in as ${admin?.username ?? "the first admin"} (POST /v1/auth/login, then a TOTP): passwords and TOTP secrets are in ${path.join(this.#data, "ops.json")}`,
    );
    say(`Logs are in ${options.dirs.logs}; Ctrl-C or npm stop ends it.`);
  }
}
