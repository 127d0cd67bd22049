// docker-compose.yml as this project writes it: what each service is, with its variables filled in.
import fs from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { root } from "../lib/paths.mjs";

export interface Mount {
  /** Or a folder of the repository: `./deploy/telemetry`. */
  readonly volume: string;
  readonly target: string;
  readonly subpath: string | null;
  readonly isReadOnly: boolean;
}

export interface ComposeService {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly user: string | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly settingsFiles: readonly string[];
  readonly mounts: readonly Mount[];
  readonly tmpfs: readonly string[];
  readonly networks: readonly string[];
  readonly ports: readonly string[];
  readonly profiles: readonly string[];
  readonly hostname: string | null;
  readonly restart: string;
  readonly isReadOnly: boolean;
  readonly capDrop: readonly string[];
  readonly capAdd: readonly string[];
  readonly securityOpt: readonly string[];
  readonly limits: {
    readonly cpus?: number;
    readonly memory?: string;
    readonly pids?: number;
    readonly shm?: string;
  };
  readonly needs: Readonly<Record<string, "service_healthy" | "service_completed_successfully">>;
  readonly healthcheck: Readonly<Healthcheck> | null;
}

interface Healthcheck {
  test: string[];
  start_period: string;
}

export interface Compose {
  readonly services: readonly ComposeService[];
  readonly volumes: readonly string[];
  readonly networks: Readonly<Record<string, { internal?: boolean }>>;
  /** Variables of the shell that it reads. */
  readonly variables: readonly string[];
}

interface RawService {
  image: string;
  command?: string[];
  user?: string;
  environment?: Record<string, string>;
  env_file?: { path: string; required: boolean }[];
  volumes?: (
    | string
    | { source: string; target: string; read_only?: boolean; volume?: { subpath?: string } }
  )[];
  tmpfs?: string[];
  networks?: string[];
  ports?: string[];
  profiles?: string[];
  hostname?: string;
  restart?: string;
  read_only?: boolean;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  cpus?: number;
  mem_limit?: string;
  pids_limit?: number;
  shm_size?: string;
  depends_on?: Record<string, { condition: ComposeService["needs"][string] }>;
  healthcheck?: Healthcheck;
}

const VARIABLE = /\$\{([A-Z_]+):-([^}]*)\}/g;

/** The compose file, with variables as `env` has them. */
export function readCompose(env: Readonly<Record<string, string | undefined>> = {}): Compose {
  const text = fs.readFileSync(path.join(root, "docker-compose.yml"), "utf8");
  const variables = [...text.matchAll(VARIABLE)].map(([, name = ""]) => name);
  const filled = (value: string) =>
    value
      .replaceAll(VARIABLE, (_, name: string, otherwise: string) => env[name] || otherwise)
      .replaceAll("$$", "$");
  const reviver = (_: unknown, value: unknown) => (typeof value === "string" ? filled(value) : value);
  const raw = parse(text, reviver, { merge: true }) as {
    services: Record<string, RawService>;
    volumes: Record<string, unknown>;
    networks: Compose["networks"];
  };
  return {
    services: Object.entries(raw.services).map(([name, service]) => serviceOf(name, service)),
    volumes: Object.keys(raw.volumes),
    networks: raw.networks,
    variables: [...new Set(variables)],
  };
}

function serviceOf(name: string, raw: RawService): ComposeService {
  return {
    ...{ name, image: raw.image, command: raw.command ?? [], user: raw.user ?? null },
    environment: raw.environment ?? {},
    settingsFiles: (raw.env_file ?? []).map((file) => file.path),
    mounts: (raw.volumes ?? []).map(mountOf),
    ...{ tmpfs: raw.tmpfs ?? [], networks: raw.networks ?? [], ports: raw.ports ?? [] },
    ...{ profiles: raw.profiles ?? [], hostname: raw.hostname ?? null, restart: raw.restart ?? "no" },
    ...{ isReadOnly: raw.read_only ?? false, capDrop: raw.cap_drop ?? [], capAdd: raw.cap_add ?? [] },
    securityOpt: raw.security_opt ?? [],
    limits: {
      ...(raw.cpus ? { cpus: raw.cpus } : {}),
      ...(raw.mem_limit ? { memory: raw.mem_limit } : {}),
      ...(raw.pids_limit ? { pids: raw.pids_limit } : {}),
      ...(raw.shm_size ? { shm: raw.shm_size } : {}),
    },
    needs: Object.fromEntries(
      Object.entries(raw.depends_on ?? {}).map(([other, { condition }]) => [other, condition]),
    ),
    healthcheck: raw.healthcheck ?? null,
  };
}

function mountOf(raw: NonNullable<RawService["volumes"]>[number]): Mount {
  if (typeof raw !== "string") {
    const { source, target, read_only = false, volume } = raw;
    return { volume: source, target, subpath: volume?.subpath ?? null, isReadOnly: read_only };
  }
  const [volume = "", target = "", mode] = raw.split(":");
  return { volume, target, subpath: null, isReadOnly: mode === "ro" };
}

/** The image of a service, with its version. */
export const imageOf = ({ services }: Compose, name: string): string =>
  services.find((service) => service.name === name)?.image ?? "";
