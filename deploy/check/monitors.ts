// What Prometheus is told to read (ServiceMonitor), beside what services show.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { telemetryDir } from "../../dev/telemetry/rules.ts";
import { containersOf, type Pod } from "./pods.ts";
import type { Manifest } from "./render.ts";
import { nameOf } from "./schemas.ts";

interface Endpoint {
  port?: string;
  path?: string;
  scheme?: string;
  tlsConfig?: {
    serverName?: string;
    insecureSkipVerify?: boolean;
    ca?: { secret?: { name: string; key: string } };
  };
}
interface Scrape {
  readonly monitor: Manifest;
  readonly endpoint: Endpoint;
  readonly service: Manifest;
}
type Labels = Readonly<Record<string, string>>;

/** The port by which a Service shows metrics. */
const PORT = "admin";

/** A YAML file of deploy/telemetry. */
export const telemetryFile = (name: string): unknown =>
  parse(readFileSync(path.join(telemetryDir, name), "utf8"));

/** None where no ServiceMonitor is: a cluster without the operator knows no such kind. */
export function monitorBreaches(manifests: readonly Manifest[]): string[] {
  const monitors = manifests.filter(({ kind }) => kind === "ServiceMonitor");
  if (monitors.length === 0) return [];
  const { scrape_configs } = telemetryFile("prometheus.yml") as { scrape_configs: { job_name: string }[] };
  const jobs = scrape_configs.map(({ job_name }) => job_name);
  const scrapes = scrapesOf(manifests);
  const times = (name: string) => scrapes.filter(({ service }) => service.metadata.name === name).length;
  return [
    ...monitors
      .filter((monitor) => !scrapes.some((scrape) => scrape.monitor === monitor))
      .map((monitor) => `${nameOf(monitor)}: selects no Service`),
    ...servicesOf(manifests)
      .filter((service) => portsOf(service).some(({ name }) => name === PORT))
      .filter(({ metadata: { name } }) => times(name) !== 1)
      .map((service) => `${nameOf(service)}: Prometheus reads it ${times(service.metadata.name)} times`),
    // A job is called as its Service, unless a monitor says otherwise.
    ...scrapes
      .filter(
        ({ monitor, service: { metadata } }) => "jobLabel" in spec(monitor) || !jobs.includes(metadata.name),
      )
      .map(({ monitor }) => `${nameOf(monitor)}: rules and dashboards know no such job`),
    ...scrapes.flatMap((scrape) => endpointBreaches(scrape, manifests)),
  ];
}

function endpointBreaches({ monitor, endpoint, service }: Scrape, manifests: readonly Manifest[]): string[] {
  const { port, path, scheme, tlsConfig: { serverName = "", insecureSkipVerify, ca } = {} } = endpoint;
  const secret = `tls-${service.metadata.name}`;
  const certificate = manifests.find(
    (one) => one.kind === "Certificate" && spec<{ secretName: string }>(one).secretName === secret,
  );
  const names = certificate ? spec<{ dnsNames: string[] }>(certificate).dnsNames : [];
  const faults = [
    port !== PORT && `reads the port ${port}, which shows no metrics`,
    path !== "/metrics" && `reads ${path}, where no metrics are`,
    scheme !== "https" && "reads in the clear a port that answers TLS alone",
    insecureSkipVerify && "believes any certificate",
    !names.includes(serverName) && `expects ${serverName || "no name"}, for which ${secret} is not`,
    (ca?.secret?.name !== secret || ca.secret.key !== "ca.crt") && `trusts another CA than that of ${secret}`,
  ];
  return faults.filter(Boolean).map((fault) => `${nameOf(monitor)}: ${fault}`);
}

/** Where Prometheus has to be let in: the app, and the port of its pods. */
export function scrapedPorts(
  manifests: readonly Manifest[],
  pods: readonly Pod[],
): { app: string; port: number }[] {
  return scrapesOf(manifests).flatMap(({ endpoint, service }) => {
    const app = service.metadata.name;
    const target = portsOf(service).find(({ name }) => name === endpoint.port)?.targetPort;
    const containers = pods.filter(({ owner }) => owner === `Deployment ${app}`).flatMap(containersOf);
    const ports = containers.flatMap(({ ports = [] }) => ports as { name: string; containerPort: number }[]);
    return ports.filter(({ name }) => name === target).map(({ containerPort: port }) => ({ app, port }));
  });
}

function scrapesOf(manifests: readonly Manifest[]): Scrape[] {
  return manifests
    .filter(({ kind }) => kind === "ServiceMonitor")
    .flatMap((monitor) => {
      const { selector, endpoints } = spec<{ selector: { matchLabels: Labels }; endpoints: Endpoint[] }>(
        monitor,
      );
      const wanted = Object.entries(selector.matchLabels);
      const services = servicesOf(manifests).filter(({ metadata: { labels = {} } }) =>
        wanted.every(([name, value]) => labels[name] === value),
      );
      return services.flatMap((service) => endpoints.map((endpoint) => ({ monitor, endpoint, service })));
    });
}

const spec = <T extends object = object>(manifest: Manifest): T => manifest.spec as T;
const servicesOf = (manifests: readonly Manifest[]) => manifests.filter(({ kind }) => kind === "Service");
const portsOf = (service: Manifest) =>
  spec<{ ports?: { name: string; targetPort?: string }[] }>(service).ports ?? [];
