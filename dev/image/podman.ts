// docker compose up, as podman can: the services of the compose file with their own commands,
// settings, users, limits and order. Names are resolved by addresses that are given out here.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { Trouble } from "../lib/words.mjs";
import type { Compose, ComposeService, Mount } from "./compose.ts";

const PROJECT = `medvault-image-${process.pid}`;
const PREFIX = `10.${90 + (process.pid % 100)}`;
/**
 * Podman's own are more than a root without all capabilities may give; and it has health checks
 * done by systemd, which is not everywhere.
 */
export const LIMITS = ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", "--no-healthcheck"];
const READY_WITHIN_MS = 180_000;

/** Runs podman. Its cgroups are those that runc knows. Throws Trouble with its words. */
export async function podman(...args: string[]): Promise<string> {
  const { code, out, words } = await run("podman", ["--runtime=runc", ...args], { cwd: "/" });
  if (code === 0) return out.trim();
  throw new Trouble(
    `podman ${args.slice(0, 6).join(" ")} … failed: ${`${out}\n${words}`.trim().slice(-800)}`,
  );
}

export class RunningCompose {
  readonly #compose: Compose;
  /** In the place of settings/<service>.env. */
  readonly #settings: Readonly<Record<string, Record<string, string>>>;
  readonly #states = new Map<string, Promise<void>>();
  readonly #networks: string[];

  constructor(compose: Compose, settings: Readonly<Record<string, Record<string, string>>>) {
    this.#compose = compose;
    this.#settings = settings;
    this.#networks = Object.keys(compose.networks);
  }

  /** Until everything without a profile is healthy, or has done its work. */
  async up(): Promise<void> {
    for (const [at, name] of this.#networks.entries()) {
      const internal = this.#compose.networks[name]?.internal ? ["--internal"] : [];
      await podman(
        "network",
        "create",
        "--disable-dns",
        ...internal,
        "--subnet",
        `${PREFIX}.${at}.0/24`,
        `${PROJECT}_${name}`,
      );
    }
    for (const name of this.#compose.volumes) await podman("volume", "create", `${PROJECT}_${name}`);
    const services = this.#compose.services.filter(({ profiles }) => profiles.length === 0);
    await Promise.all(services.map((service) => this.#started(service)));
  }

  /** Starts a service with a profile; a stand-in may lack what its health check runs. */
  start(name: string): Promise<void> {
    return this.#launch(this.#service(name));
  }

  /** Runs a service with a profile to its end, as docker compose run does; what it printed. */
  async run(name: string, command?: readonly string[]): Promise<string> {
    const service = this.#service(name);
    const { image, args } = await this.#arguments(service, `${name}-run`);
    return podman("run", "--rm", ...args, image, ...(command ?? service.command));
  }

  logs(name: string): Promise<string> {
    return podman("logs", `${PROJECT}_${name}`);
  }

  exec(name: string, ...command: string[]): Promise<string> {
    return podman("exec", `${PROJECT}_${name}`, ...command);
  }

  /** A command that runs in the network of a container: its ports are on 127.0.0.1 there. */
  async inNetworkOf(name: string): Promise<string[]> {
    const pid = await podman("inspect", "--format", "{{.State.Pid}}", `${PROJECT}_${name}`);
    return ["nsenter", `--net=/proc/${pid}/ns/net`];
  }

  async mountpoint(volume: string): Promise<string> {
    return podman("volume", "inspect", "--format", "{{.Mountpoint}}", `${PROJECT}_${volume}`);
  }

  address(name: string, network = "inside"): string {
    const at = this.#compose.services.findIndex((service) => service.name === name);
    return `${PREFIX}.${this.#networks.indexOf(network)}.${10 + at}`;
  }

  /** Ends and removes all that `up` made. */
  async down(): Promise<void> {
    const names = this.#compose.services.map(({ name }) => `${PROJECT}_${name}`);
    const remove = () => podman("rm", "--force", "--ignore", "--time", "15", ...names.toReversed());
    await remove().catch(remove); // one that ends at the moment when it is killed is refused once
    await podman("volume", "rm", "--force", ...this.#compose.volumes.map((name) => `${PROJECT}_${name}`));
    await podman("network", "rm", "--force", ...this.#networks.map((name) => `${PROJECT}_${name}`));
  }

  #service(name: string): ComposeService {
    const service = this.#compose.services.find((one) => one.name === name);
    if (!service) throw new Error(`docker-compose.yml has no service ${name}`);
    return service;
  }

  /** Once, and after all that it needs. */
  #started(service: ComposeService): Promise<void> {
    const there = this.#states.get(service.name);
    if (there) return there;
    const state = this.#start(service);
    this.#states.set(service.name, state);
    return state;
  }

  async #start(service: ComposeService): Promise<void> {
    await this.#launch(service);
    if (service.healthcheck) return this.#untilHealthy(service, service.healthcheck.test);
    const code = await podman("wait", `${PROJECT}_${service.name}`);
    if (code !== "0")
      throw new Trouble(`${service.name} ended with ${code}: ${await this.#lastWords(service.name)}`);
  }

  async #launch(service: ComposeService): Promise<void> {
    await Promise.all(Object.keys(service.needs).map((name) => this.#started(this.#service(name))));
    const { image, args } = await this.#arguments(service, service.name);
    await podman(
      "run",
      "--detach",
      "--name",
      `${PROJECT}_${service.name}`,
      ...args,
      image,
      ...service.command,
    );
  }

  async #untilHealthy({ name }: ComposeService, [kind, ...test]: readonly string[]): Promise<void> {
    const command = kind === "CMD-SHELL" ? ["sh", "-c", ...test] : test;
    let last = "";
    for (const end = Date.now() + READY_WITHIN_MS; Date.now() < end; await sleep(500)) {
      const running = await podman("inspect", "--format", "{{.State.Running}}", `${PROJECT}_${name}`);
      if (running !== "true") throw new Trouble(`${name} ended: ${await this.#lastWords(name)}`);
      const found = await this.exec(name, ...command).then(
        () => null,
        (error: Error) => error.message,
      );
      if (found === null) return;
      last = found;
    }
    throw new Trouble(`${name} is not healthy (${last}): ${await this.#lastWords(name)}`);
  }

  async #lastWords(name: string): Promise<string> {
    const { out, words } = await run("podman", ["logs", "--tail", "15", `${PROJECT}_${name}`], { cwd: "/" });
    return `${out}\n${words}`.trim();
  }

  async #arguments(service: ComposeService, container: string): Promise<{ image: string; args: string[] }> {
    const { limits } = service;
    const environment = { ...this.#settings[service.name], ...service.environment };
    const mounts = await Promise.all(service.mounts.map((mount) => this.#mount(mount)));
    const isRun = container !== service.name;
    const addresses = service.networks.map((network) => {
      return `${PROJECT}_${network}${isRun ? "" : `:ip=${this.address(service.name, network)}`}`;
    });
    const hosts = this.#compose.services.filter(({ networks }) => networks.includes("inside"));
    const args = [
      ...LIMITS,
      ...(service.hostname ? ["--hostname", service.hostname] : []),
      ...(service.user ? ["--user", service.user] : []),
      ...(service.isReadOnly ? ["--read-only", "--read-only-tmpfs=false"] : []),
      ...service.capDrop.flatMap((cap) => ["--cap-drop", cap]),
      ...service.capAdd.flatMap((cap) => ["--cap-add", cap]),
      ...service.securityOpt.flatMap((option) => ["--security-opt", option.replace(":true", "")]),
      ...(limits.cpus ? ["--cpus", String(limits.cpus)] : []),
      ...(limits.memory ? ["--memory", limits.memory] : []),
      ...(limits.pids ? ["--pids-limit", String(limits.pids)] : []),
      ...(limits.shm ? ["--shm-size", limits.shm] : []),
      ...Object.entries(environment).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
      ...mounts.flatMap((mount) => ["--volume", mount]),
      ...service.tmpfs.flatMap((mount) => ["--tmpfs", mount]),
      ...addresses.flatMap((address) => ["--network", address]),
      ...hosts.flatMap(({ name }) => ["--add-host", `${name}:${this.address(name)}`]),
    ];
    return {
      image: service.image.includes(":local")
        ? `localhost/${service.image}`
        : `docker.io/${service.image.includes("/") ? "" : "library/"}${service.image}`,
      args,
    };
  }

  /** This podman knows no subpath: the same folder, by its place in the volume. */
  async #mount({ volume, target, subpath, isReadOnly }: Mount): Promise<string> {
    const mode = isReadOnly ? ":ro" : "";
    if (volume.startsWith("./")) return `${path.join(root, volume)}:${target}${mode}`;
    if (subpath === null) return `${PROJECT}_${volume}:${target}${mode}`;
    const place = path.join(await this.mountpoint(volume), subpath);
    if (!fs.existsSync(place)) throw new Trouble(`setup made no ${subpath} in the volume ${volume}.`);
    return `${place}:${target}${mode}`;
  }
}
