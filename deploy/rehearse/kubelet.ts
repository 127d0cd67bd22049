// One node: runs pods on podman as their manifests say, probes them, and ends them as Kubernetes does.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LIMITS } from "../../dev/image/podman.ts";
import { Trouble } from "../../dev/lib/words.mjs";
import type { Container, PodSpec } from "../check/pods.ts";
import type { Template, Workload } from "./cluster.ts";
import { type Probe, probed, until } from "./probe.ts";
import type { Volumes } from "./volumes.ts";

export interface RunningPod {
  readonly name: string;
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
  readonly address: string;
  readonly startedAt: number;
  /** Its process, as the host sees it; 0 before it runs. */
  pid: number;
  ready: boolean;
  terminating: boolean;
  restarts: number;
  /** What ended it: a signal that it did not obey in time, for one. */
  killed: boolean;
}

export interface NodeOptions {
  readonly work: string;
  readonly prefix: string;
  readonly network: string;
  /** Addresses for pods, of this network: `10.244.7`. */
  readonly subnet: string;
  readonly dns: string;
  readonly volumes: Volumes;
  /** The image on this machine, and what its own entry point would have made of the arguments. */
  readonly imageOf: (image: string, args: readonly string[]) => { image: string; args: readonly string[] };
  readonly onChange: (pod: RunningPod) => void;
}

const CRASH_BACKOFF_MS = 10_000;
const MOST_RESTARTS = 3;
const NAMESPACE = "medvault";

export class Node {
  readonly pods = new Set<RunningPod>();
  readonly #o: NodeOptions;
  readonly #free: number[] = Array.from({ length: 200 }, (_, at) => 20 + at);
  readonly #children = new Map<RunningPod, ChildProcess>();

  constructor(options: NodeOptions) {
    this.#o = options;
    fs.mkdirSync(path.join(options.work, "log"), { recursive: true });
  }

  /** A pod of a workload that is to stay; it is probed until it is ended. */
  start({ name: owner, kind, template, claims }: Workload, ordinal = 0): RunningPod {
    const suffix = kind === "StatefulSet" ? String(ordinal) : randomBytes(3).toString("hex");
    const pod = this.#pod(owner, `${owner}-${suffix}`, template);
    void this.#keep(pod, claims);
    return pod;
  }

  /** Runs a job's pod to its end, its init containers first; what its containers printed. */
  async runJob(owner: string, template: Template): Promise<Record<string, string>> {
    const pod = this.#pod(owner, `${owner}-${randomBytes(3).toString("hex")}`, template);
    const said: Record<string, string> = {};
    try {
      const volumes = this.#o.volumes.make(pod.name, pod.spec);
      for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
        const { code, log } = await this.#run(pod, container, volumes);
        said[container.name] = fs.readFileSync(log, "utf8");
        if (code !== 0)
          throw new Trouble(
            `${owner}, ${container.name} ended with ${code}: ${said[container.name]?.slice(-1500)}`,
          );
      }
      return said;
    } finally {
      this.#gone(pod);
    }
  }

  async untilReady(pod: RunningPod, withinMs: number): Promise<void> {
    const end = Date.now() + withinMs;
    while (!pod.ready) {
      if (Date.now() > end || pod.restarts >= MOST_RESTARTS)
        throw new Trouble(
          `${pod.name} is not ready, and was restarted ${pod.restarts} times: ${this.lastWords(pod).join("\n")}`,
        );
      await sleep(50);
    }
  }

  /** preStop, SIGTERM, and SIGKILL when its time is over. */
  async end(pod: RunningPod): Promise<void> {
    pod.terminating = true;
    this.#o.onChange(pod);
    const child = this.#children.get(pod);
    if (!child || child.exitCode !== null) return this.#gone(pod);
    const exited = once(child, "exit");
    const graceMs = (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
    const kill = setTimeout(() => {
      pod.killed = true;
      process.kill(pod.pid, "SIGKILL");
    }, graceMs);
    await sleep(preStopSeconds(pod.spec) * 1000);
    if (child.exitCode === null) process.kill(pod.pid, "SIGTERM");
    await exited;
    clearTimeout(kill);
    this.#gone(pod);
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.pods].map((pod) => this.end(pod).catch(() => this.#gone(pod))));
  }

  /** Its container, as podman knows it. */
  containerOf(pod: RunningPod): string {
    const [container] = pod.spec.containers;
    if (!container) throw new Error(`${pod.name} has no container`);
    return this.#containerName(pod, container);
  }

  lastWords(pod: RunningPod): string[] {
    const files = fs
      .readdirSync(path.join(this.#o.work, "log"))
      .filter((name) => name.startsWith(`${pod.name}.`));
    return files.flatMap((name) =>
      fs
        .readFileSync(path.join(this.#o.work, "log", name), "utf8")
        .trim()
        .split("\n")
        .slice(-15),
    );
  }

  #pod(owner: string, name: string, { metadata, spec }: Template): RunningPod {
    const at = this.#free.shift();
    if (at === undefined) throw new Error("no address is left");
    const pod: RunningPod = {
      ...{ name, owner, spec, labels: metadata?.labels ?? {}, address: `${this.#o.subnet}.${at}` },
      ...{ startedAt: Date.now(), pid: 0, ready: false, terminating: false, restarts: 0, killed: false },
    };
    this.pods.add(pod);
    return pod;
  }

  /** Runs its container, and again when it ends by itself. */
  async #keep(pod: RunningPod, claims: readonly string[]): Promise<void> {
    const volumes = this.#o.volumes.make(pod.name, pod.spec, claims);
    const [container, ...others] = pod.spec.containers;
    if (!container || others.length > 0 || pod.spec.initContainers)
      throw new Error(`${pod.name}: pods of one container are played`);
    while (!pod.terminating) {
      const ended = new AbortController();
      void this.#probe(pod, container, ended.signal);
      await this.#run(pod, container, volumes);
      ended.abort();
      pod.ready = false;
      this.#o.onChange(pod);
      if (pod.terminating) return;
      pod.restarts += 1;
      await sleep(CRASH_BACKOFF_MS);
    }
  }

  async #probe(pod: RunningPod, container: Container, ended: AbortSignal): Promise<void> {
    const of = (name: string) => container[name] as Probe | undefined;
    const target = { address: pod.address, container, name: this.#containerName(pod, container) };
    const startup = of("startupProbe");
    if (startup && !(await until(startup, target, ended))) return void process.kill(pod.pid, "SIGKILL");
    const [readiness, liveness] = [of("readinessProbe"), of("livenessProbe")];
    if (liveness)
      void probed(liveness, target, ended, (works) => {
        if (!works && pod.pid && !pod.terminating) process.kill(pod.pid, "SIGKILL");
      });
    const set = (ready: boolean) => {
      if (pod.ready === ready) return;
      pod.ready = ready;
      this.#o.onChange(pod);
    };
    if (readiness) await probed(readiness, target, ended, set);
    else set(true);
  }

  #containerName(pod: RunningPod, container: Container): string {
    return `${this.#o.prefix}_${pod.name}_${container.name}`;
  }

  async #run(pod: RunningPod, container: Container, volumes: Map<string, string>) {
    const name = this.#containerName(pod, container);
    const log = path.join(this.#o.work, "log", `${pod.name}.${container.name}.log`);
    const pidFile = path.join(this.#o.work, "log", `${name}.pid`);
    fs.rmSync(pidFile, { force: true });
    const out = fs.openSync(log, "a");
    const args = this.#arguments(pod, container, volumes, ["--name", name, "--pidfile", pidFile]);
    const child = spawn("podman", ["--runtime=runc", ...args], { cwd: "/", stdio: ["ignore", out, out] });
    fs.closeSync(out);
    this.#children.set(pod, child);
    const exited = once(child, "exit");
    while (child.exitCode === null && !fs.existsSync(pidFile)) await Promise.race([exited, sleep(20)]);
    if (fs.existsSync(pidFile)) pod.pid = Number(fs.readFileSync(pidFile, "utf8"));
    const [code] = (await exited) as [number | null];
    return { code, log };
  }

  #arguments(
    pod: RunningPod,
    container: Container,
    volumes: Map<string, string>,
    names: readonly string[],
  ): string[] {
    const { subnet: _, network, dns, imageOf } = this.#o;
    const ofPod = (pod.spec.securityContext ?? {}) as Record<"runAsUser" | "runAsGroup" | "fsGroup", number>;
    const context = container.securityContext ?? {};
    const { image, args } = imageOf(container.image, container.args ?? []);
    const limits = container.resources?.limits ?? {};
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, subPath, readOnly }) => {
      const folder = volumes.get(name);
      if (!folder) throw new Error(`${pod.name}: no volume ${name}`);
      return `${subPath ? inside(folder, subPath) : folder}:${mountPath}${readOnly ? ":ro" : ""}`;
    });
    return [
      ...["run", "--rm", "--sig-proxy=false", "--log-driver=none", ...names, ...LIMITS],
      ...["--cgroup-parent", `/${this.#o.prefix}`],
      ...["--hostname", pod.name, "--network", `${network}:ip=${pod.address}`],
      ...["--dns", dns, "--dns-option", "ndots:5"],
      ...[`${NAMESPACE}.svc.cluster.local`, "svc.cluster.local", "cluster.local"].flatMap((domain) => [
        "--dns-search",
        domain,
      ]),
      ...["--user", `${ofPod.runAsUser}:${ofPod.runAsGroup}`, "--group-add", String(ofPod.fsGroup)],
      ...(context.readOnlyRootFilesystem ? ["--read-only", "--read-only-tmpfs=false"] : []),
      ...(context.capabilities?.drop ?? []).flatMap((cap) => ["--cap-drop", cap.toLowerCase()]),
      ...(context.allowPrivilegeEscalation === false ? ["--security-opt", "no-new-privileges"] : []),
      ...(limits.memory ? ["--memory", limits.memory.replace(/([MG])i$/, "$1").toLowerCase()] : []),
      ...(limits.cpu ? ["--cpus", cpusOf(limits.cpu)] : []),
      ...(container.env ?? []).flatMap((env) => ["--env", `${env.name}=${settingOf(env, pod)}`]),
      ...mounts.flatMap((mount) => ["--volume", mount]),
      ...(container.command ? ["--entrypoint", JSON.stringify(container.command)] : []),
      ...[image, ...args],
    ];
  }

  #gone(pod: RunningPod): void {
    if (!this.pods.delete(pod)) return;
    this.#free.push(Number(pod.address.split(".").at(-1)));
    this.#o.volumes.forget(pod.name);
  }
}

const cpusOf = (quantity: string): string =>
  quantity.endsWith("m") ? String(Number.parseInt(quantity, 10) / 1000) : quantity;

type Env = NonNullable<Container["env"]>[number];
function settingOf({ name, value, valueFrom }: Env, pod: RunningPod): string {
  if (value !== undefined) return value;
  const field = valueFrom?.fieldRef?.fieldPath;
  if (field === "metadata.name") return pod.name;
  if (field === "status.podIP") return pod.address;
  throw new Error(`${pod.name}: ${name} is of a kind that is not played`);
}

function preStopSeconds({ containers }: PodSpec): number {
  const hook = (containers[0]?.lifecycle as { preStop?: { sleep?: { seconds: number } } } | undefined)
    ?.preStop;
  if (hook && !hook.sleep) throw new Error("of preStop only sleep is played");
  return hook?.sleep?.seconds ?? 0;
}

/** A part of a volume, which kubelet makes when it is not there. */
function inside(volume: string, subPath: string): string {
  let dir = volume;
  for (const name of subPath.split("/")) {
    const parent = fs.statSync(dir);
    dir = path.join(dir, name);
    if (fs.existsSync(dir)) continue;
    fs.mkdirSync(dir);
    fs.chownSync(dir, 0, parent.gid);
    fs.chmodSync(dir, parent.mode & 0o7777);
  }
  return dir;
}
