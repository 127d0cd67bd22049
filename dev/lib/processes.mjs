// Processes by number and start time: a number alone may already belong to someone else.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * @typedef {{pid: number, start: string}} ProcessId  start is field 22 of /proc/<pid>/stat, in
 * clock ticks since boot; what ps shows where there is no /proc
 */

/** @typedef {{pid: number, state: string, group: number, session: number, start: string}} Found */

const hasProc = fs.existsSync("/proc/self/stat");
const isWindows = process.platform === "win32";

/**
 * @param {number} pid
 * @returns {Found | null} null when there is no such process
 */
function stat(pid) {
  if (isWindows) return statOnWindows(pid);
  if (!hasProc) return listByPs(["-p", String(pid)])[0] ?? null;
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold spaces and brackets, so fields are counted from the last
    // bracket.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return {
      pid,
      state: fields[0] ?? "",
      group: Number(fields[2]),
      session: Number(fields[3]),
      start: fields[19] ?? "",
    };
  } catch {
    return null;
  }
}

/**
 * Windows has no ps: there a process is known by its number alone, and is a family of one.
 * @param {number} pid
 * @returns {Found | null}
 */
function statOnWindows(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EPERM") return null; // EPERM: another's
  }
  return { pid, state: "", group: pid, session: pid, start: "running" };
}

/**
 * The same by ps, which every Unix has; without a session, which macOS does not show.
 * @param {string[]} which
 * @returns {Found[]}
 */
export function listByPs(which) {
  const asked = ["-o", "pid=,stat=,pgid=,lstart=", ...which];
  const { stdout } = spawnSync("ps", asked, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  return (stdout ?? "")
    .split("\n")
    .filter((line) => line.trim())
    .map((line) => {
      const [pid, state = "", group, ...start] = line.trim().split(/\s+/);
      return {
        pid: Number(pid),
        state: state.charAt(0),
        group: Number(group),
        session: 0,
        start: start.join(" "),
      };
    });
}

/**
 * The start time of a living process; "" when it is gone or a zombie.
 * @param {number} pid
 */
export function startTime(pid) {
  const found = stat(pid);
  return found && found.state !== "Z" ? found.start : "";
}

/**
 * @param {number} pid
 * @returns {ProcessId}
 */
export const identify = (pid) => ({ pid, start: startTime(pid) });

/** @param {ProcessId | null | undefined} id */
export const isAlive = (id) => Boolean(id?.pid && id.start && startTime(id.pid) === id.start);

/**
 * Sends a signal to exactly the process that was identified; false when it is gone.
 * @param {ProcessId} id
 * @param {NodeJS.Signals} signal
 */
export function signal(id, signal) {
  if (!isAlive(id)) return false;
  try {
    return process.kill(id.pid, signal);
  } catch {
    return false;
  }
}

/**
 * Waits until none of the processes lives; false when the time is over.
 * @param {ProcessId[]} ids
 * @param {number} timeoutMs
 */
export async function waitGone(ids, timeoutMs) {
  const end = Date.now() + timeoutMs;
  while (ids.some(isAlive)) {
    if (Date.now() > end) return false;
    await sleep(20);
  }
  return true;
}

/**
 * The living members of the group or session that a process leads or led, itself included. A
 * group's number is not given out again while a member lives; if the number is another process by
 * now, nobody is left.
 * @param {ProcessId} leader
 * @returns {ProcessId[]}
 */
export function family(leader) {
  const now = startTime(leader.pid);
  if (now !== "" && now !== leader.start) return [];
  const related = (/** @type {Found} */ { group, session }) => group === leader.pid || session === leader.pid;
  const all = hasProc
    ? fs.readdirSync("/proc").map(Number).filter(Number.isInteger).map(stat)
    : isWindows
      ? [stat(leader.pid)]
      : listByPs(["-ax"]);
  return all.flatMap((found) =>
    found && found.state !== "Z" && related(found) ? [{ pid: found.pid, start: found.start }] : [],
  );
}

/**
 * Whether a process of this one's family listens on a port of 127.0.0.1, by the kernel's own tables.
 * @param {ProcessId} leader
 * @param {number} port
 */
export function listensOn(leader, port) {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const sockets = ["tcp", "tcp6"].flatMap((table) => {
    try {
      const rows = fs.readFileSync(`/proc/net/${table}`, "utf8").trim().split("\n").slice(1);
      const fields = rows.map((row) => row.trim().split(/\s+/));
      // 0A is LISTEN; field 9 is the socket's inode.
      return fields.filter((row) => row[1]?.endsWith(wanted) && row[3] === "0A").map((row) => row[9]);
    } catch {
      return []; // no IPv6 here
    }
  });
  if (sockets.length === 0) return false;
  return family(leader).some(({ pid }) => {
    try {
      const open = fs.readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
      return sockets.some((inode) => open.includes(`socket:[${inode}]`));
    } catch {
      return false; // it has just ended
    }
  });
}

/** @param {string} file */
function linkOf(file) {
  try {
    return fs.readlinkSync(file);
  } catch {
    return "";
  }
}

/**
 * The oldest child of a process whose name matches.
 * @param {number} pid
 * @param {RegExp} name
 * @returns {ProcessId | null}
 */
export function childNamed(pid, name) {
  try {
    const children = fs
      .readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .trim()
      .split(" ")
      .map(Number);
    const match = children.find(
      (child) => child && name.test(fs.readFileSync(`/proc/${child}/comm`, "utf8")),
    );
    return match ? identify(match) : null;
  } catch {
    return null;
  }
}

/**
 * What a process was started with; "" when that may not be seen.
 * @param {number} pid
 */
export function commandLine(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/**
 * Waits for the processes to end, and kills those that have not within the grace.
 * @param {ProcessId[]} ids
 * @param {number} graceMs
 * @returns {Promise<boolean>} whether all ended by themselves
 */
export async function endWithin(ids, graceMs) {
  if (await waitGone(ids, graceMs)) return true;
  for (const id of ids) signal(id, "SIGKILL");
  await waitGone(ids, 2_000);
  return false;
}

/**
 * Ends what an earlier run left: each recorded process, and what remains of its family, by pid and
 * start time.
 * @param {ProcessId[]} recorded
 * @param {string} marker text that the command line of an orphan must hold to be counted as ours
 * @returns {Promise<number>} how many processes were ended
 */
export async function endLeftovers(recorded, marker) {
  const ours = recorded.flatMap((id) => {
    if (isAlive(id)) return family(id);
    // The leader is gone; an orphan of its group is ours only if it says so itself.
    return family(id).filter((member) => commandLine(member.pid).includes(marker));
  });
  for (const id of ours) signal(id, "SIGTERM");
  await endWithin(ours, 10_000);
  return ours.length;
}
