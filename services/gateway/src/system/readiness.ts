import { type CheckState, type Logger, type Readiness, stateOf } from "@medvault/service-kit";
import type { Upstream } from "../proxy/upstream.client.ts";

/** Anyone may ask, and five services are asked in turn: at most twice a second. */
const KEEP_MS = 500;
/** How often it looks by itself: what is back is used again before anyone asks. */
const LOOK_EVERY_MS = 2_000;
/** While all is well: a look costs six processes some 15 ms. */
const LOOK_WELL_EVERY_MS = 4_000;

/** Runs the checks again and again; the answer ends that. */
export function keepLooking(readiness: Readiness): () => void {
  let timer: NodeJS.Timeout | null = null;
  let isOver = false;
  const look = async () => {
    const isWell = Object.values(await readiness()).every((state) => state === "ok");
    if (!isOver) timer = setTimeout(look, isWell ? LOOK_WELL_EVERY_MS : LOOK_EVERY_MS).unref();
  };
  timer = setTimeout(look, LOOK_EVERY_MS).unref();
  return () => {
    isOver = true;
    if (timer) clearTimeout(timer);
  };
}

/** The state of each part behind the gateway: a service that is unready or silent is `down`. */
export function createReadiness(parts: {
  upstreams: readonly Upstream[];
  redis: () => Promise<unknown>;
  rabbitmq: () => CheckState;
  logger: Logger;
}): Readiness {
  const said = new Map<string, string>();
  let kept: { checks: Record<string, CheckState>; at: number } | null = null;
  return async () => {
    if (kept && Date.now() - kept.at < KEEP_MS) return kept.checks;
    const services = parts.upstreams.map(checksOf);
    const redis = stateOf(parts.redis());
    const checks: Record<string, CheckState> = Object.fromEntries([
      ...(await Promise.all(services)).flat(),
      ["redis", await redis],
      ["rabbitmq", parts.rabbitmq()],
    ]);
    for (const upstream of parts.upstreams) tellChange(upstream, said, parts.logger);
    kept = { checks, at: Date.now() };
    return checks;
  };
}

/** Logs that a service fell silent and why (a certificate that is not ours), and its return. */
function tellChange({ name, silence }: Upstream, said: Map<string, string>, logger: Logger): void {
  if ((said.get(name) ?? "") === silence) return;
  said.set(name, silence);
  if (silence === "") logger.info({ upstream: name }, "a service answers again");
  else logger.warn({ upstream: name, code: silence }, "a service does not answer");
}

async function checksOf(upstream: Upstream): Promise<[name: string, state: CheckState][]> {
  const { name } = upstream;
  const probed = await upstream.probe();
  if (probed === null) return [[name, "down"]];
  if (upstream.isSkewed)
    return [
      [name, "degraded"],
      [`${name}_clock_skew`, "degraded"],
    ];
  return [[name, upstream.state === "closed" ? probed.status : "degraded"]];
}
