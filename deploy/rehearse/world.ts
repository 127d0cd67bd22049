// The cluster without a cluster: one node, its network, its controllers, and what stands around it.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { podman } from "../../dev/image/podman.ts";
import { run } from "../../dev/lib/run.mjs";
import { Trouble } from "../../dev/lib/words.mjs";
import type { Manifest } from "../check/render.ts";
import { calledBy } from "./arrows.ts";
import { Authority } from "./certificates.ts";
import { jobTemplates, servicesOf, type Workload, workloadsOf } from "./cluster.ts";
import { startEntry, type Upstream } from "./entry.ts";
import { Node, type RunningPod } from "./kubelet.ts";
import { startMailServer } from "./mail-server.ts";
import { Network } from "./network.ts";
import { MAIL_HOST, renderRehearsed } from "./overlay.ts";
import { type End, Policies } from "./policies.ts";
import { Volumes } from "./volumes.ts";

const PROMETHEUS = { "app.kubernetes.io/name": "prometheus" };
const READY_WITHIN_MS = 180_000;

/**
 * The processor is shared by groups: without this, all pods together would have as much of it as one
 * other process of this machine.
 */
function shareFor(group: string): () => Promise<void> {
  const [dir, file, share] = fs.existsSync("/sys/fs/cgroup/cpu")
    ? [`/sys/fs/cgroup/cpu/${group}`, "cpu.shares", "65536"]
    : [`/sys/fs/cgroup/${group}`, "cpu.weight", "6400"];
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, file), share);
  const left = [`/sys/fs/cgroup/${group}`, `/sys/fs/cgroup/*/${group}`];
  return async () => {
    await sleep(1_000); // until the last of what watched the pods has gone
    for (const at of fs.globSync(left.map((one) => `${one}/*/`))) fs.rmdirSync(at);
    for (const at of fs.globSync(left)) fs.rmdirSync(at);
  };
}

export class World {
  readonly manifests: readonly Manifest[];
  readonly volumes: Volumes;
  readonly authority: Authority;
  readonly policies: Policies;
  readonly node: Node;
  readonly network: Network;
  readonly work: string;
  /** Connections that pods made past their Services. */
  readonly strays = new Set<string>();
  readonly #prefix = `rehearse${process.pid}`;
  readonly #third = process.pid % 250;
  readonly #addresses: string[] = [];
  readonly #ends: (() => unknown)[] = [];
  readonly #outside: Record<"entry" | "monitoring" | "mail", End>;

  constructor(
    work: string,
    imageOf: (image: string, args: readonly string[]) => { image: string; args: readonly string[] },
  ) {
    this.work = work;
    this.manifests = renderRehearsed(work);
    this.volumes = new Volumes(work, this.manifests);
    this.authority = new Authority(this.manifests, this.volumes);
    this.policies = new Policies(this.manifests);
    const end = (
      name: string,
      at: number,
      namespace: Record<string, string>,
      pod: End["pod"] = null,
    ): End => ({
      ...{ name, address: `10.245.${this.#third}.${at}`, pod, namespace },
    });
    this.#outside = {
      entry: end("entry", 10, { "medvault.io/entry": "true" }),
      monitoring: end("monitoring", 11, { "kubernetes.io/metadata.name": "monitoring" }, PROMETHEUS),
      mail: end(MAIL_HOST, 25, {}),
    };
    this.network = new Network({
      policies: this.policies,
      outside: Object.values(this.#outside),
      pods: () => this.node.pods,
    });
    this.node = new Node({
      ...{ work, prefix: this.#prefix, network: this.#prefix, subnet: `10.244.${this.#third}` },
      ...{ dns: this.#serviceAddress(10), volumes: this.volumes, imageOf },
      onChange: (pod) => this.network.changed(pod),
    });
  }

  #serviceAddress(at: number): string {
    return `10.96.${this.#third}.${at}`;
  }
  get monitoring(): string {
    return this.#outside.monitoring.address;
  }
  /** How the entry calls the gateway's Service. */
  get gateway(): Upstream {
    return {
      ...{ address: this.network.addresses.get("gateway") ?? "", port: 8080 },
      ...{ from: this.#outside.entry.address, trusted: () => this.authority.trusted },
    };
  }

  /** Addresses, names, Services, certificates, the mail server: all but pods. */
  async begin(): Promise<void> {
    const autogroup = "/proc/self/autogroup"; // where it is there, a priority holds within it alone
    os.setPriority(-20); // what is played here, in a cluster the kernel does
    if (fs.existsSync(autogroup)) fs.writeFileSync(autogroup, "-20");
    this.#ends.push(shareFor(this.#prefix));
    await this.authority.begin();
    const subnet = `10.244.${this.#third}.0/24`;
    await podman("network", "create", "--disable-dns", "--subnet", subnet, this.#prefix);
    this.#ends.push(() => podman("network", "rm", "--force", this.#prefix));
    const services = servicesOf(this.manifests);
    for (const { address } of Object.values(this.#outside)) await this.#own(address);
    await this.#own(this.#serviceAddress(10));
    await this.network.serveNames(this.#serviceAddress(10));
    for (const [at, service] of services.entries()) {
      await this.#own(this.#serviceAddress(20 + at));
      await this.network.serve(service, this.#serviceAddress(20 + at));
    }
    this.#watchCalls();
    const { mail } = this.#outside;
    this.#ends.push(
      await startMailServer({
        ...{ address: mail.address, dir: this.mails },
        certificate: await this.authority.issueFor([MAIL_HOST], "server"),
        admits: (from) => this.network.admitOutside(from, mail, 465),
      }),
    );
  }

  /** Looks at the pods' own tables of connections now and then. */
  #watchCalls(): void {
    const known = new Set([...this.network.addresses.values(), this.#outside.mail.address]);
    const timer = setInterval(() => {
      for (const { owner, pid, spec } of this.node.pods) {
        if (pid === 0) continue;
        const ports = (spec.containers[0]?.ports ?? []) as { containerPort: number }[];
        for (const call of calledBy(pid, new Set(ports.map(({ containerPort }) => containerPort))))
          if (!known.has(call.split(":")[0] ?? "") && !call.startsWith("127."))
            this.strays.add(`${owner} → ${call}`);
      }
    }, 5_000);
    this.#ends.push(() => clearInterval(timer));
  }

  get mails(): string {
    return path.join(this.work, "mail");
  }

  /** The servers, the jobs in their order, the services. What the jobs' containers said. */
  async startServers(): Promise<void> {
    await this.#startAll(workloadsOf(this.manifests, "StatefulSet"));
  }
  async runJobs(): Promise<Record<string, string>> {
    const said = {};
    for (const { name, template } of jobTemplates(this.manifests))
      Object.assign(said, await this.node.runJob(name, template));
    return said;
  }
  async startServices(): Promise<void> {
    await this.#startAll(workloadsOf(this.manifests, "Deployment"));
    await this.untilListed();
  }

  async #startAll(workloads: readonly Workload[]): Promise<void> {
    for (const workload of workloads) {
      const pods = Array.from({ length: workload.replicas }, (_, at) => this.node.start(workload, at));
      await Promise.all(pods.map((pod) => this.node.untilReady(pod, READY_WITHIN_MS)));
    }
  }

  podsOf(owner: string): RunningPod[] {
    return [...this.node.pods].filter((pod) => pod.owner === owner && !pod.terminating);
  }

  /** Until Services send to all that are ready. */
  async untilListed(): Promise<void> {
    await sleep(1_500);
  }

  /** Its URL; whom it is trusted by is in ca.pem. */
  async startEntry(): Promise<string> {
    const certificate = await this.authority.issueFor(["127.0.0.1"], "server");
    fs.writeFileSync(path.join(this.work, "ca.pem"), this.authority.trusted);
    const { url, close } = await startEntry(this.gateway, certificate);
    this.#ends.push(close);
    return url;
  }

  async end(): Promise<void> {
    await this.node.endAll();
    this.network.close();
    for (const end of this.#ends.toReversed())
      await Promise.try(end).catch((error: Error) => console.error(error.message));
    for (const address of this.#addresses)
      await run("ip", ["addr", "del", `${address}/32`, "dev", "lo"], { cwd: "/" });
    fs.rmSync(path.join(this.work, "claims"), { recursive: true, force: true });
  }

  async #own(address: string): Promise<void> {
    const { code, words } = await run("ip", ["addr", "add", `${address}/32`, "dev", "lo"], { cwd: "/" });
    if (code !== 0) throw new Trouble(`${address} cannot be had on this machine: ${words.trim()}.`);
    this.#addresses.push(address);
  }
}
