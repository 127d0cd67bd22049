// A cluster of three RabbitMQ on this machine; Erlang's distribution on 127.0.0.1 alone.
import path from "node:path";
import { sharedPath } from "../lib/paths.mjs";
import { privateDir, serverDir } from "./files.ts";
import { administrator, epmd, type RabbitOptions, rabbitmq } from "./rabbitmq.ts";
import { Supervised } from "./supervise.ts";
import { type Toolchain, toolchain } from "./toolchain.ts";

export interface RabbitGroupOptions {
  data: string;
  /** The first of ten free ones. */
  port: number;
  vhost: string;
  password: string;
  cookie: string;
  /** Other programs than those of this machine. */
  tools?: Partial<Toolchain>;
  say?: (line: string) => void;
}

interface RabbitQueue {
  readonly name: string;
  /** The number of the node whose member leads; 0: none. */
  readonly leader: number;
  /** The numbers of the nodes that have a member which is up. */
  readonly online: number[];
  readonly messages: number;
  /** Bytes that it holds in memory. */
  readonly memory: number;
}

export interface RabbitGroup {
  /** An administrator's, of nodes 1 to 3. */
  readonly urls: readonly string[];
  readonly managementUrls: readonly string[];
  start(): Promise<void>;
  /** kill -9; nothing starts it again. */
  kill(node: number): Promise<void>;
  revive(node: number): Promise<void>;
  /** As a node that is up says. */
  queues(): Promise<RabbitQueue[]>;
  stop(): Promise<void>;
}

const ADMIN = "medvault-admin";
const NODES = [1, 2, 3] as const;

/** The programs of the cluster, not yet started. */
export async function rabbitGroup(o: RabbitGroupOptions): Promise<RabbitGroup> {
  const { say = () => {}, vhost, password } = o;
  const found = await toolchain(sharedPath("toolchain"), say, new AbortController().signal);
  const tools = { ...found, ...o.tools };
  const logs = privateDir(path.join(o.data, "log"));
  const watcher = { say, onChange: () => {} };
  const portsOf = (node: number) => ({
    amqp: o.port + 3 * (node - 1),
    management: o.port + 3 * (node - 1) + 1,
    erlang: o.port + 3 * (node - 1) + 2,
    epmd: o.port + 9,
  });
  const peers = NODES.map(
    (node) => `cluster_formation.classic_config.nodes.${node} = medvault-${node}@127.0.0.1`,
  );
  const definitions = {
    users: [administrator(ADMIN, password)],
    vhosts: [{ name: vhost }],
    permissions: [{ user: ADMIN, vhost, configure: ".*", write: ".*", read: ".*" }],
  };
  const optionsOf = (node: number): RabbitOptions => ({
    ...{ tools, vhost, cookie: o.cookie, definitions, ports: portsOf(node), nodeName: `medvault-${node}` },
    ...{ data: path.join(o.data, `rabbitmq-${node}`), log: path.join(logs, `rabbitmq-${node}.log`) },
    settings: [
      "cluster_formation.peer_discovery_backend = classic_config",
      ...peers,
      "cluster_partition_handling = pause_minority",
    ],
  });
  const names = new Supervised(epmd(optionsOf(1)), watcher);
  const nodes = new Map<number, Supervised>();
  const startNode = async (node: number) => {
    const options = optionsOf(node);
    serverDir(options.data);
    const kill = { stopSignal: "SIGKILL" as const, stopGraceMs: 2_000 };
    const program = { ...rabbitmq(options), ...kill, name: `rabbitmq-${node}` };
    const one = new Supervised(program, watcher);
    nodes.set(node, one);
    await one.start();
  };
  const urlOf = (scheme: string, port: number) => `${scheme}://${ADMIN}:${password}@127.0.0.1:${port}`;
  return {
    urls: NODES.map((node) => `${urlOf("amqp", portsOf(node).amqp)}/${vhost}`),
    managementUrls: NODES.map((node) => urlOf("http", portsOf(node).management)),
    async start() {
      await names.start();
      for (const node of NODES) await startNode(node);
    },
    async kill(node) {
      const one = nodes.get(node);
      nodes.delete(node);
      await one?.stop();
    },
    revive: startNode,
    async queues() {
      const [node = 1] = nodes.keys();
      const authorization = `Basic ${Buffer.from(`${ADMIN}:${password}`).toString("base64")}`;
      const url = `http://127.0.0.1:${portsOf(node).management}/api/queues/${vhost}`;
      const answer = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(5_000) });
      const found = (await answer.json()) as {
        name: string;
        leader?: string;
        online?: string[];
        messages?: number;
        memory?: number;
      }[];
      return found.map(({ name, leader, online = [], messages = 0, memory = 0 }) => {
        return { name, leader: numberOf(leader), online: online.map(numberOf).sort(), messages, memory };
      });
    },
    async stop() {
      for (const one of nodes.values()) await one.stop();
      await names.stop();
    },
  };
}

const numberOf = (node = "") => Number(/^medvault-(\d)@/.exec(node)?.[1] ?? 0);
