// Probes as kubelet does them: from outside, by the address of the pod, without looking at certificates.
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../dev/lib/run.mjs";
import type { Container } from "../check/pods.ts";

export interface Probe {
  httpGet?: { path: string; port: number | string; scheme?: string };
  tcpSocket?: { port: number | string };
  exec?: { command: string[] };
  initialDelaySeconds?: number;
  periodSeconds?: number;
  timeoutSeconds?: number;
  successThreshold?: number;
  failureThreshold?: number;
}
export interface Target {
  readonly address: string;
  readonly container: Container;
  /** As podman knows it. */
  readonly name: string;
}

/** Reports each change between working and not, by the probe's thresholds, until it is over. */
export async function probed(
  probe: Probe,
  target: Target,
  over: AbortSignal,
  report: (works: boolean) => void,
): Promise<void> {
  const { periodSeconds = 10, successThreshold = 1, failureThreshold = 3, initialDelaySeconds = 0 } = probe;
  let run = { works: false, times: 0 };
  await sleep(initialDelaySeconds * 1000);
  while (!over.aborted) {
    const works = await succeeds(probe, target);
    if (over.aborted) return;
    run = works === run.works ? { works, times: run.times + 1 } : { works, times: 1 };
    if (run.times === (works ? successThreshold : failureThreshold)) report(works);
    await sleep(periodSeconds * 1000);
  }
}

/** Whether it succeeded once, before it failed too often. */
export async function until(probe: Probe, target: Target, over: AbortSignal): Promise<boolean> {
  const { periodSeconds = 10, failureThreshold = 3 } = probe;
  for (let failures = 0; failures < failureThreshold && !over.aborted; failures++) {
    if (await succeeds(probe, target)) return true;
    await sleep(periodSeconds * 1000);
  }
  return over.aborted;
}

export function portOf(container: Container, port: number | string): number {
  if (typeof port === "number") return port;
  const ports = (container.ports ?? []) as { name?: string; containerPort: number }[];
  const found = ports.find(({ name }) => name === port);
  if (!found) throw new Error(`${container.name} has no port ${port}`);
  return found.containerPort;
}

async function succeeds(probe: Probe, { address, container, name }: Target): Promise<boolean> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.httpGet) {
    const { path, port, scheme } = probe.httpGet;
    return answersOk(address, portOf(container, port), path, scheme === "HTTPS", timeoutMs);
  }
  if (probe.tcpSocket) return connects(address, portOf(container, probe.tcpSocket.port), timeoutMs);
  if (probe.exec) {
    const args = ["--runtime=runc", "exec", name, ...probe.exec.command];
    const ended = run("podman", args, { cwd: "/", signal: AbortSignal.timeout(timeoutMs) });
    return ended.then(
      ({ code }) => code === 0,
      () => false,
    );
  }
  throw new Error("a probe of a kind that is not played");
}

function answersOk(
  host: string,
  port: number,
  path: string,
  secure: boolean,
  timeout: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host, port, path, agent: false, headers: { connection: "close" } };
    const onAnswer = (answer: http.IncomingMessage) => {
      answer.resume();
      resolve((answer.statusCode ?? 500) < 400);
    };
    // As kubelet: a self-signed certificate is as good as any other.
    const request = secure
      ? https.get({ ...options, rejectUnauthorized: false }, onAnswer)
      : http.get(options, onAnswer);
    request.setTimeout(timeout, () => request.destroy(new Error("late")));
    request.once("error", () => resolve(false));
    setTimeout(() => resolve(false), timeout).unref();
  });
}

function connects(host: string, port: number, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout });
    const end = (works: boolean) => {
      socket.destroy();
      resolve(works);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
