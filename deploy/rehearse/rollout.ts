// A rolling restart as a Deployment's strategy has it.
import { type Workload, workloadsOf } from "./cluster.ts";
import type { RunningPod } from "./kubelet.ts";
import type { World } from "./world.ts";

const READY_WITHIN_MS = 180_000;

/** Every Deployment, one after the other; how long the ends of its pods took, and what was killed. */
export async function restartAll(world: World, say: (line: string) => void): Promise<string[]> {
  const said: string[] = [];
  for (const workload of workloadsOf(world.manifests, "Deployment")) {
    const since = Date.now();
    const { killed, slowestMs } = await restart(world, workload);
    said.push(
      `${workload.name}: ${workload.replicas} pods replaced in ${((Date.now() - since) / 1000).toFixed(0)} s, the slowest ended ${(slowestMs / 1000).toFixed(1)} s after it was told to${killed > 0 ? `, ${killed} KILLED` : ""}`,
    );
    say(`  ${said.at(-1)}`);
  }
  return said;
}

/** New pods within maxSurge; an old one ends when as many are ready as maxUnavailable demands. */
async function restart(world: World, workload: Workload): Promise<{ killed: number; slowestMs: number }> {
  const { replicas, strategy } = workload;
  const old = world.podsOf(workload.name);
  const young: RunningPod[] = [];
  const ends: Promise<number>[] = [];
  while (old.length > 0 || young.length < replicas) {
    const running = old.length + young.length;
    const room = Math.min(replicas + strategy.maxSurge - running, replicas - young.length);
    young.push(...Array.from({ length: room }, () => world.node.start(workload)));
    await Promise.all(young.map((pod) => world.node.untilReady(pod, READY_WITHIN_MS)));
    const surplus = old.length + young.length - (replicas - strategy.maxUnavailable);
    for (const pod of old.splice(0, Math.max(0, surplus))) ends.push(endOf(world, pod));
  }
  const took = await Promise.all(ends);
  return { killed: took.filter((ms) => ms < 0).length, slowestMs: Math.max(...took) };
}

/** Its milliseconds; negative: it had to be killed. */
async function endOf(world: World, pod: RunningPod): Promise<number> {
  const since = Date.now();
  await world.node.end(pod);
  return pod.killed ? -1 : Date.now() - since;
}
