import { actor, testAssertions } from "@medvault/testing";
import { cpuMicros, type Finding, median } from "../rounds.ts";

const CHECKS = 5_000;

/**
 * What a request costs a service before its route: the gateway's assertion, remembered by its
 * digest. In processor time, which others on the machine do not lengthen.
 */
export async function assertionCheck(rounds: number): Promise<Finding[]> {
  const assertions = await testAssertions();
  const token = await assertions.sign(actor("doctor"));
  const micros: number[] = [];
  const first: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const verifier = assertions.verifier("auth");
    const before = performance.now();
    await verifier.verify(token);
    const since = performance.now();
    first.push((since - before) * 1000);
    const used = await cpuMicros(async () => {
      for (let i = 0; i < CHECKS; i++) await verifier.verify(token);
    });
    micros.push(used / CHECKS);
  }
  return [
    {
      name: "an assertion checked in a service, remembered",
      measured: median(micros),
      unit: "µs",
      atMost: 20,
      note: `the first time ${median(first).toFixed(0)} µs`,
    },
  ];
}
