import { beforeAll, expect, test } from "vitest";
import { type Container, podsOf } from "./pods.ts";
import { type Manifest, render } from "./render.ts";
import { ruleBreaches } from "./rules.ts";
import { schemaBreaches, typeBreaches } from "./schemas.ts";

/** What ../k8s/README.md asks for beforehand. */
const GIVEN = new Set<string>();
const OVERLAYS = ["overlays/production"];

const rendered = new Map<string, Manifest[]>();
beforeAll(() => {
  for (const overlay of OVERLAYS) rendered.set(overlay, render(overlay));
});
/** A copy, to be spoilt. */
const of = (overlay: string): Manifest[] => structuredClone(rendered.get(overlay) ?? []);

test.each(OVERLAYS)(
  "%s fits the schemas of its kinds, and has no field that they do not know",
  async (overlay) => {
    expect(of(overlay).length).toBeGreaterThan(50);
    expect(await schemaBreaches(of(overlay))).toEqual([]);
    expect(typeBreaches(of(overlay))).toEqual([]);
  },
);

test.each(OVERLAYS)(
  "%s keeps our rules: pods, settings, secrets, and exactly the arrows that settings need",
  (overlay) => {
    expect(ruleBreaches(of(overlay), GIVEN)).toEqual([]);
  },
);

test("each namespace demands Pod Security restricted", () => {
  for (const namespace of of("overlays/production").filter(({ kind }) => kind === "Namespace"))
    expect(namespace.metadata.labels).toMatchObject({ "pod-security.kubernetes.io/enforce": "restricted" });
});

type Spoil = (records: Container, manifests: Manifest[], pod: ReturnType<typeof podsOf>[number]) => void;
const policy = (manifests: Manifest[], name: string) =>
  manifests.find(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === name)?.spec as {
    egress: { to: { podSelector: { matchLabels: Record<string, string> } }[] }[];
    ingress: unknown[];
  };

test.each<[string, Spoil, string]>([
  ["no version", (records) => void (records.image = "medvault"), "medvault has no version"],
  ["latest", (records) => void (records.image = "medvault:latest"), "medvault:latest has no version"],
  ["no limit", (records) => void delete records.resources?.limits?.memory, "has no limit of memory"],
  ["no probe", (records) => void delete records.readinessProbe, "has no readinessProbe"],
  ["privilege", (records) => void (records.securityContext = {}), "may gain privileges"],
  ["root", (_, __, pod) => void (pod.spec.securityContext = {}), "may run as root"],
  [
    "a misspelt setting",
    (records) => void records.env?.push({ name: "LOG_LEVLE" }),
    "LOG_LEVLE is no setting of services/records/src/main.ts",
  ],
  [
    "another's setting",
    (records) => void records.env?.push({ name: "MEDVAULT_SMTP_URL" }),
    "MEDVAULT_SMTP_URL is no setting",
  ],
  [
    "a setting that is missing",
    (records) => void (records.env = records.env?.filter(({ name }) => name !== "DATABASE_URL_FILE") ?? []),
    "DATABASE_URL is missing",
  ],
  [
    "a setting given twice",
    (records) => void records.env?.push({ name: "DATABASE_URL", value: "postgres://" }),
    "DATABASE_URL is given twice",
  ],
  [
    "a secret that is not mounted",
    (records) =>
      void (records.volumeMounts = records.volumeMounts?.filter(({ name }) => name !== "secrets") ?? []),
    "DATABASE_URL_FILE: nothing is mounted",
  ],
  [
    "a secret that nothing makes",
    (_, __, pod) => void pod.spec.volumes?.push({ name: "x", secret: { secretName: "none" } }),
    "nothing makes Secret none",
  ],
  [
    "one replica",
    (_, manifests) =>
      void manifests.splice(
        manifests.findIndex(
          ({ kind, metadata }) => kind === "HorizontalPodAutoscaler" && metadata.name === "records",
        ),
        1,
      ),
    "Deployment records: has one replica",
  ],
  [
    "no default deny",
    (_, manifests) =>
      void manifests.splice(
        manifests.findIndex(({ metadata }) => metadata.name === "default-deny"),
        1,
      ),
    "no NetworkPolicy denies",
  ],
  [
    "an arrow that is missing",
    (_, manifests) => void policy(manifests, "records").egress.pop(),
    "may not call, and has to: records →",
  ],
  [
    "an arrow too many",
    (_, manifests) =>
      void policy(manifests, "records").egress[0]?.to.push({
        podSelector: { matchLabels: { "app.kubernetes.io/name": "backup" } },
      }),
    "may call, and has no need to: records → backup:8080",
  ],
  [
    "a callee that lets nobody in",
    (_, manifests) => void (policy(manifests, "records").ingress = []),
    "may not be called, and has to: gateway → records:8080",
  ],
])("the rules find %s", (_, spoil, says) => {
  const manifests = of("overlays/production");
  const pod = podsOf(manifests).find(({ owner }) => owner === "Deployment records");
  const [records] = pod?.spec.containers ?? [];
  if (!pod || !records) throw new Error("no records");
  spoil(records, manifests, pod);
  expect(ruleBreaches(manifests, GIVEN).join("\n")).toContain(says);
});

test("a misspelt field and a value of the wrong kind are found", async () => {
  const manifests = of("overlays/production");
  const [records] =
    podsOf(manifests).find(({ owner }) => owner === "Deployment records")?.spec.containers ?? [];
  if (!records) throw new Error("no records");
  records.redinessProbe = {};
  expect(typeBreaches(manifests).join()).toContain("redinessProbe");
  records.ports = [{ containerPort: "https" }];
  expect((await schemaBreaches(manifests)).join()).toContain("containerPort must be integer");
});
