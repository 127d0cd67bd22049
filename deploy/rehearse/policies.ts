// NetworkPolicies, kept: who may connect to whom, and which of the arrows were used.
import net from "node:net";
import type { Manifest } from "../check/render.ts";
import { matches } from "./cluster.ts";

/** One end of a connection. A pod has labels; others are known by their namespace, or by an address. */
export interface End {
  readonly name: string;
  readonly address: string;
  readonly pod: Readonly<Record<string, string>> | null;
  readonly namespace: Readonly<Record<string, string>> | null;
}

interface Peer {
  podSelector?: object;
  namespaceSelector?: object;
  ipBlock?: { cidr: string };
}
interface Policy {
  podSelector: object;
  policyTypes: string[];
  ingress?: Rule[];
  egress?: Rule[];
}
interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports: { port: number; protocol?: string }[];
}
type Direction = "ingress" | "egress";

/** A rule's peer with one of its ports: what a reviewer sees as an arrow. */
interface Arrow {
  readonly text: string;
  readonly direction: Direction;
  readonly self: object;
  readonly peer: Peer;
  readonly port: number;
  readonly protocol: string;
  used: number;
}

/** The namespace whose policies these are. */
export const OURS: Readonly<Record<string, string>> = { "kubernetes.io/metadata.name": "medvault" };

export class Policies {
  readonly #arrows: Arrow[];
  readonly #selected: Record<Direction, object[]>;
  readonly #refused = new Map<string, number>();

  constructor(manifests: readonly Manifest[]) {
    const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy");
    const of = (direction: Direction) =>
      policies
        .map(({ spec }) => spec as Policy)
        .filter(({ policyTypes }) => policyTypes.some((type) => type.toLowerCase() === direction))
        .map(({ podSelector }) => podSelector);
    this.#selected = { ingress: of("ingress"), egress: of("egress") };
    this.#arrows = policies.flatMap(({ metadata, spec }) => arrowsOf(metadata.name, spec as Policy));
  }

  /** Whether it may be; noted as used, or as refused. */
  admit(from: End, to: End, port: number, protocol = "TCP"): boolean {
    const ends = [
      ["egress", from, to],
      ["ingress", to, from],
    ] as const;
    const allowing = ends.map(([direction, self, other]) => {
      if (
        !self.pod ||
        self.namespace !== OURS ||
        !this.#selected[direction].some((selector) => matches(self.pod ?? {}, selector))
      )
        return [];
      const found = this.#arrows.filter(
        (arrow) =>
          arrow.direction === direction &&
          arrow.port === port &&
          arrow.protocol === protocol &&
          matches(self.pod ?? {}, arrow.self) &&
          isPeer(arrow.peer, other),
      );
      return found.length > 0 ? found : null;
    });
    if (allowing.includes(null)) {
      const text = `${from.name} → ${to.name}:${port}`;
      this.#refused.set(text, (this.#refused.get(text) ?? 0) + 1);
      return false;
    }
    for (const arrow of allowing.flat()) if (arrow) arrow.used += 1;
    return true;
  }

  get all(): readonly string[] {
    return this.#arrows.map(({ text }) => text);
  }
  /** Arrows that no connection took. */
  get unused(): string[] {
    return this.#arrows.filter(({ used }) => used === 0).map(({ text }) => text);
  }
  /** Connections that were wanted, and that no arrow allows. */
  get refused(): string[] {
    return [...this.#refused].map(([text, times]) => `${text} (${times} times)`);
  }
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, end: End): boolean {
  if (ipBlock) {
    const [address = "", bits] = ipBlock.cidr.split("/");
    const block = new net.BlockList();
    block.addSubnet(address, Number(bits));
    return end.pod === null && block.check(end.address);
  }
  if (namespaceSelector)
    return (
      end.namespace !== null &&
      matches(end.namespace, namespaceSelector) &&
      (!podSelector || matches(end.pod ?? {}, podSelector))
    );
  return end.pod !== null && end.namespace === OURS && matches(end.pod, podSelector);
}

function arrowsOf(name: string, { podSelector, ...rules }: Policy): Arrow[] {
  return (["ingress", "egress"] as const).flatMap((direction) =>
    (rules[direction] ?? []).flatMap(({ from = [], to = [], ports }) =>
      [...from, ...to].flatMap((peer) =>
        ports.map(({ port, protocol = "TCP" }) => ({
          text: `${name}: ${direction === "egress" ? "to" : "from"} ${shown(peer)}, ${protocol} ${port}`,
          ...{ direction, self: podSelector, peer, port, protocol, used: 0 },
        })),
      ),
    ),
  );
}

function shown({ podSelector, namespaceSelector, ipBlock }: Peer): string {
  if (ipBlock) return ipBlock.cidr;
  const labels = (selector: object) =>
    Object.values((selector as { matchLabels?: object }).matchLabels ?? {}).join();
  return [namespaceSelector, podSelector]
    .filter((one) => one !== undefined)
    .map(labels)
    .join("/");
}
