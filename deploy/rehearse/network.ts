// Services and names of the cluster: a balancer for each Service on an address of its own, which sends
// new connections to ready pods in turn, where NetworkPolicies let them; and the cluster's DNS.
import dgram from "node:dgram";
import net from "node:net";
import { matches, type ServiceSpec } from "./cluster.ts";
import type { RunningPod } from "./kubelet.ts";
import { type End, OURS, type Policies } from "./policies.ts";
import { portOf } from "./probe.ts";

/** How long a change of a pod takes to reach every node of a cluster; SIGTERM does not wait for it. */
const SPREADS_AFTER_MS = 1_000;
const DOMAIN = "medvault.svc.cluster.local";

export interface NetworkOptions {
  readonly policies: Policies;
  /** Those outside of the namespace, by address. */
  readonly outside: readonly End[];
  readonly pods: () => Iterable<RunningPod>;
}

export class Network {
  readonly addresses = new Map<string, string>();
  readonly #o: NetworkOptions;
  readonly #listed = new Set<RunningPod>();
  readonly #turn = new Map<string, number>();
  readonly #servers: (net.Server | dgram.Socket)[] = [];
  readonly #open = new Set<net.Socket>();
  /** New connections of each Service and pod. */
  readonly counts = new Map<string, number>();

  constructor(options: NetworkOptions) {
    this.#o = options;
  }

  /** A pod's readiness or end, which Services take up a moment later. */
  changed(pod: RunningPod): void {
    const isListed = pod.ready && !pod.terminating;
    setTimeout(() => {
      if (isListed && pod.ready && !pod.terminating) this.#listed.add(pod);
      if (!isListed && !(pod.ready && !pod.terminating)) this.#listed.delete(pod);
    }, SPREADS_AFTER_MS);
  }

  endpoints({ selector }: ServiceSpec): RunningPod[] {
    return [...this.#listed].filter(({ labels }) => matches(labels, selector));
  }

  async serve(service: ServiceSpec, address: string): Promise<void> {
    this.addresses.set(service.name, address);
    for (const { port, targetPort } of service.ports) {
      const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        this.#connect(service, targetPort, socket),
      );
      this.#servers.push(server);
      await listening(server, port, address);
    }
  }

  async serveNames(address: string): Promise<void> {
    const dns: End = {
      ...{ name: "dns", address, pod: null },
      namespace: { "kubernetes.io/metadata.name": "kube-system" },
    };
    const socket = dgram.createSocket("udp4");
    socket.on("message", (question, from) => {
      if (!this.#o.policies.admit(this.#end(from.address), dns, 53, "UDP")) return;
      const answer = answerOf(question, (name) => this.#resolve(name));
      if (answer) socket.send(answer, from.port, from.address);
    });
    this.#servers.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(53, address, resolve);
    });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#open) socket.destroy();
  }

  #resolve(name: string): string | null {
    const service = name.endsWith(`.${DOMAIN}`) ? name.slice(0, -DOMAIN.length - 1) : null;
    if (service) return this.addresses.get(service) ?? null;
    return this.#o.outside.find((end) => end.name === name)?.address ?? null;
  }

  /** Whoever is no pod and is not named is the operator, whom no policy concerns. */
  #end(address: string): End {
    for (const pod of this.#o.pods())
      if (pod.address === address) return { name: pod.owner, address, pod: pod.labels, namespace: OURS };
    const known = this.#o.outside.find((end) => end.address === address);
    return known ?? { name: "operator", address, pod: null, namespace: null };
  }

  /** A connection to an address outside of the cluster, which a server there was asked for. */
  admitOutside(from: string, to: End, port: number): boolean {
    return this.#o.policies.admit(this.#end(from), to, port);
  }

  #connect(service: ServiceSpec, targetPort: number | string, socket: net.Socket): void {
    const ready = this.endpoints(service);
    const at = (this.#turn.get(service.name) ?? -1) + 1;
    this.#turn.set(service.name, at);
    const pod = ready[at % Math.max(1, ready.length)];
    const [container] = pod?.spec.containers ?? [];
    if (!pod || !container) return void socket.resetAndDestroy();
    const port = portOf(container, targetPort);
    const from = this.#end(socket.remoteAddress ?? "");
    const to: End = {
      ...{ name: pod.owner, address: pod.address, pod: pod.labels },
      namespace: OURS,
    };
    if (from.name !== "operator" && !this.#o.policies.admit(from, to, port))
      return void socket.resetAndDestroy();
    const key = `${from.name} → ${pod.name}:${port}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.#join(socket, net.connect({ host: pod.address, port, noDelay: true, allowHalfOpen: true }));
  }

  #join(one: net.Socket, other: net.Socket): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#open.add(from);
      from.on("error", () => to.resetAndDestroy());
      from.on("close", () => {
        this.#open.delete(from);
        to.destroySoon();
      });
      from.pipe(to);
    }
  }
}

async function listening(server: net.Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, backlog: 4_096 }, resolve);
  });
}

const A = 1;
/** RFC 1035: one question; an address, no data (NOERROR), or no such name (3). */
function answerOf(question: Buffer, resolve: (name: string) => string | null): Buffer | null {
  const labels: string[] = [];
  let at = 12;
  for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
    labels.push(question.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  if (question.length < at + 5) return null;
  const type = question.readUInt16BE(at + 1);
  const asked = question.subarray(12, at + 5);
  const address = resolve(labels.join(".").toLowerCase());
  const hasAnswer = address !== null && type === A;
  const header = Buffer.from(question.subarray(0, 12));
  header.writeUInt16BE(0x8580 | (address === null ? 3 : 0), 2);
  header.writeUInt16BE(hasAnswer ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  if (!hasAnswer) return Buffer.concat([header, asked]);
  const record = Buffer.from([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split(".").map(Number)]);
  return Buffer.concat([header, asked, record]);
}
