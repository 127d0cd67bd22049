// Who may call whom, by NetworkPolicies, beside who has to, by the settings of the programs.
import { isIP } from "node:net";
import { scrapedPorts } from "./monitors.ts";
import { containersOf, entryOf, type Pod } from "./pods.ts";
import type { Manifest } from "./render.ts";
import { nameOf } from "./schemas.ts";
import { calleeOf } from "./settings.ts";

const APP = "app.kubernetes.io/name";

/** What the operator calls the pods of its Prometheus. */
const PROMETHEUS = "prometheus";

interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}
interface Peer {
  podSelector?: Selector;
  namespaceSelector?: object;
  ipBlock?: { cidr: string };
}
interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { port: number | string }[];
}
interface Policy {
  podSelector: Selector;
  policyTypes: string[];
  ingress?: Rule[];
  egress?: Rule[];
}

/** Arrows that are missing, in either direction, and those that nothing needs. */
export function arrowBreaches(manifests: readonly Manifest[], pods: readonly Pod[]): string[] {
  const policies = manifests.filter(({ kind }) => kind === "NetworkPolicy").map(({ spec }) => spec as Policy);
  const deniesAll = policies.some(
    ({ podSelector, policyTypes, ingress, egress }) =>
      Object.keys(podSelector).length === 0 && policyTypes.length === 2 && !ingress && !egress,
  );
  const needed = neededArrows(pods);
  const out = allowedArrows(policies, "egress");
  const inward = allowedArrows(policies, "ingress");
  const apps = new Set(pods.map(({ labels }) => labels[APP]));
  const scraped = scrapedPorts(manifests, pods).map(({ app, port }) => arrow(PROMETHEUS, app, port));
  const calls = new Set([...needed, ...scraped]);
  return [
    ...blockBreaches(manifests),
    ...(deniesAll ? [] : ["no NetworkPolicy denies what no other allows"]),
    ...[...needed].filter((arrow) => !out.has(arrow)).map((arrow) => `may not call, and has to: ${arrow}`),
    ...[...out]
      .filter((arrow) => !needed.has(arrow))
      .map((arrow) => `may call, and has no need to: ${arrow}`),
    ...[...calls]
      .filter((arrow) => apps.has(calleeIn(arrow)) && !inward.has(arrow))
      .map((arrow) => `may not be called, and has to: ${arrow}`),
    ...[...inward]
      .filter((arrow) => !calls.has(arrow))
      .map((arrow) => `may be called, and nobody needs to: ${arrow}`),
  ];
}

/** What is outside is named by its addresses, and not by all that there are. */
function blockBreaches(manifests: readonly Manifest[]): string[] {
  return manifests
    .filter(({ kind }) => kind === "NetworkPolicy")
    .flatMap((manifest) => {
      const { ingress = [], egress = [] } = manifest.spec as Policy;
      const peers = [...ingress, ...egress].flatMap(({ from = [], to = [] }) => [...from, ...to]);
      return peers.flatMap(({ ipBlock }) => {
        if (!ipBlock) return [];
        const [address = "", bits = ""] = ipBlock.cidr.split("/");
        const isRange = isIP(address) !== 0 && /^\d{1,3}$/.test(bits);
        if (isRange && Number(bits) > 0) return [];
        return [
          `${nameOf(manifest)}: ${ipBlock.cidr} ${isRange ? "is everywhere" : "is no range of addresses"}`,
        ];
      });
    });
}

const arrow = (from: string, to: string, port: number | string) => `${from} → ${to}:${port}`;
const calleeIn = (text: string): string => /→ (.*):/.exec(text)?.[1] ?? "";

/** By the settings that the containers are given. */
export function neededArrows(pods: readonly Pod[]): Set<string> {
  const found = new Set<string>();
  for (const pod of pods)
    for (const container of containersOf(pod).filter((one) => entryOf(one) !== null))
      for (const { name } of container.env ?? []) {
        const callee = calleeOf(name.replace(/_FILE$/, ""));
        if (callee) found.add(arrow(pod.labels[APP] ?? "", callee.app, callee.port));
      }
  return found;
}

/** Between apps; what leads to no app or comes from none is not among them. */
function allowedArrows(policies: readonly Policy[], direction: "ingress" | "egress"): Set<string> {
  const found = new Set<string>();
  for (const policy of policies)
    for (const { from = [], to = [], ports = [] } of policy[direction] ?? [])
      for (const self of appsOf(policy.podSelector))
        for (const other of [...from, ...to].flatMap(({ podSelector }) => appsOf(podSelector))) {
          if (self === other) continue; // instances of one server among themselves
          for (const { port } of ports)
            found.add(direction === "egress" ? arrow(self, other, port) : arrow(other, self, port));
        }
  return found;
}

function appsOf({ matchLabels = {}, matchExpressions = [] }: Selector = {}): string[] {
  const named = matchLabels[APP];
  const listed = matchExpressions.filter(({ key, operator }) => key === APP && operator === "In");
  return [...(named ? [named] : []), ...listed.flatMap(({ values = [] }) => values)];
}
