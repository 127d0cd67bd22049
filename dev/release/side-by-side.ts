// One installation whose services run in two versions at once, behind a balancer for each service.
import path from "node:path";
import { makeDirs } from "../run/dirs.ts";
import type { DemoUser } from "../run/ops.ts";
import { newProofKeys, portsOf, type ServiceOptions } from "../run/services.ts";
import { defineAtGivenBroker } from "../run/setup.ts";
import type { Terminal } from "../run/terminal.ts";
import { privateDir } from "../servers/files.ts";
import { type Infrastructure, infrastructure } from "../servers/infrastructure.ts";
import { type ClaimedPorts, claimPorts } from "../servers/ports.ts";
import { loadSecrets, SERVICES, type ServiceName } from "../servers/secrets.ts";
import { Supervised } from "../servers/supervise.ts";
import { Balancer } from "./balancer.ts";
import type { Version } from "./version.ts";

const VHOST = "medvault";
/** Of the 40 ports of a block, the first that nothing else has. */
const GATEWAY_AT = 30;
/** So that nobody is refused for being many. */
const LIMITS = { MEDVAULT_RATE_LIMIT: "1000000", MEDVAULT_LOGIN_RATE: "100000" };

type Say = (line: string) => void;

export class SideBySide {
  readonly #data: string;
  readonly #say: Say;
  readonly #stopping = new AbortController();
  readonly #balancers = new Map<ServiceName, Balancer>();
  readonly #claims: ClaimedPorts[] = [];
  readonly #options = new Map<Version, ServiceOptions>();
  readonly #running = new Map<Version, Map<ServiceName, Supervised>>();
  readonly #proofKeys = newProofKeys();
  #servers: Infrastructure | null = null;
  #front: ClaimedPorts | null = null;
  /** What the supervisor said: of a process that ended by itself, say. */
  readonly troubles: string[] = [];

  constructor(data: string, say: Say) {
    this.#data = data;
    this.#say = say;
  }

  get gateway(): string {
    return `http://127.0.0.1:${portsOf("gateway", this.#ports, this.#ports.base + GATEWAY_AT).port}`;
  }

  /** The servers and the balancers. Broker's definitions are those of `first`. */
  async prepare(first: Version): Promise<void> {
    this.#front = await this.#claim("front");
    const ports = this.#ports;
    const secrets = loadSecrets(this.#data);
    this.#servers = await infrastructure({
      ...{ data: this.#data, ports, secrets, given: {}, vhost: VHOST, database: "medvault" },
      definitions: () => first.setup.brokerDefinitions(VHOST, secrets),
      unsafeWithoutFsync: true,
      watcher: { say: this.#say, onChange: () => {} },
      signal: this.#stopping.signal,
    });
    await this.#servers.start();
    for (const name of SERVICES) {
      const { port } = portsOf(name, ports, ports.base + GATEWAY_AT);
      this.#balancers.set(name, await Balancer.listen(port, name === "gateway" ? "connection" : "request"));
    }
  }

  /** What an upgrade does before the first process of the version: migrations, keys, users of the broker. */
  async setUp(version: Version): Promise<void> {
    const { dirs, servers, secrets } = await this.#of(version);
    const { signal } = this.#stopping;
    await version.setup.migrate(dirs, servers, secrets, undefined, signal);
    await version.setup.makeKeys(dirs, servers, secrets, undefined, signal);
    await defineAtGivenBroker(servers, await version.setup.brokerDefinitions(VHOST, secrets), undefined);
  }

  /** The first admin and the demo, made by the version. */
  async firstPeople(version: Version): Promise<DemoUser[]> {
    const terminal = { say: this.#say, show: () => {} } as unknown as Terminal;
    return version.people.firstPeople(await this.#of(version), terminal, this.#stopping.signal);
  }

  /** Starts a service in a version, and lets it take its share once it is ready. */
  async start(version: Version, name: ServiceName): Promise<void> {
    const options = await this.#of(version);
    const program = version.services.service(name, options);
    const { port } = portsOf(name, options.ports, options.gatewayPort);
    const env = {
      ...program.env,
      ...this.#fronts(program.env),
      MEDVAULT_INSTANCE: `${name}-${version.label}`,
    };
    const watched = {
      say: (line: string) => this.troubles.push(`${version.label}: ${line}`),
      onChange: () => {},
    };
    const log = path.join(options.dirs.logs, `${name}-${version.label}.log`);
    const one = new Supervised({ ...program, env, log }, watched);
    this.#runningOf(version).set(name, one);
    await one.start();
    this.#balancer(name).add(port);
  }

  /** Ends a service in a version, as an orchestrator does: no new connections, then SIGTERM. */
  async retire(version: Version, name: ServiceName): Promise<void> {
    const { ports, gatewayPort } = await this.#of(version);
    this.#balancer(name).remove(portsOf(name, ports, gatewayPort).port);
    await this.#runningOf(version).get(name)?.stop();
    this.#runningOf(version).delete(name);
  }

  /** The services of which the version has taken no connection since it was started. */
  async idle(version: Version): Promise<ServiceName[]> {
    const { ports, gatewayPort } = await this.#of(version);
    return SERVICES.filter((name) => !this.#balancer(name).taken.has(portsOf(name, ports, gatewayPort).port));
  }

  /** As the superuser. */
  get databaseUrl(): string {
    if (!this.#servers) throw new Error("not prepared");
    return this.#servers.databaseUrl;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const running of this.#running.values())
      await Promise.all([...running.values()].map((one) => one.stop()));
    await this.#servers?.stop();
    for (const balancer of this.#balancers.values()) balancer.close();
    for (const claim of this.#claims) claim.release();
  }

  get #ports() {
    if (!this.#front) throw new Error("not prepared");
    return this.#front.ports;
  }

  #balancer(name: ServiceName): Balancer {
    const balancer = this.#balancers.get(name);
    if (!balancer) throw new Error("not prepared");
    return balancer;
  }

  #runningOf(version: Version): Map<ServiceName, Supervised> {
    const running = this.#running.get(version) ?? new Map<ServiceName, Supervised>();
    this.#running.set(version, running);
    return running;
  }

  async #claim(name: string): Promise<ClaimedPorts> {
    const claim = await claimPorts(privateDir(path.join(this.#data, "ports", name)), undefined);
    this.#claims.push(claim);
    return claim;
  }

  /** The version's own processes: on ports of their own, with the installation's data. */
  async #of(version: Version): Promise<ServiceOptions> {
    const known = this.#options.get(version);
    if (known) return known;
    if (!this.#servers) throw new Error("not prepared");
    const { ports } = await this.#claim(version.label);
    const options: ServiceOptions = {
      ...{ dirs: makeDirs(this.#data), ports, gatewayPort: ports.base + GATEWAY_AT },
      ...{ secrets: loadSecrets(this.#data), servers: this.#servers, proofKeys: this.#proofKeys },
      ...{ settings: { PATH: process.env.PATH, ...LIMITS }, declared: version.registry.declared },
      onBackupMessage: () => {},
    };
    this.#options.set(version, options);
    return options;
  }

  /** Services find each other through the balancers, and are known to clients by the front's address. */
  #fronts(env: Readonly<Record<string, string>>): Record<string, string> {
    const urls = SERVICES.map((name) => {
      const { port } = portsOf(name, this.#ports, this.#ports.base + GATEWAY_AT);
      return [`MEDVAULT_${name.toUpperCase()}_URL`, `http://127.0.0.1:${port}`];
    });
    const all = Object.fromEntries([...urls, ["MEDVAULT_PUBLIC_URL", this.gateway]]) as Record<
      string,
      string
    >;
    return Object.fromEntries(Object.entries(all).filter(([name]) => name in env));
  }
}
