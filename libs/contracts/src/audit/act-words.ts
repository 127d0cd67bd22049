/**
 * What an event of `medvault.<service>.<noun>.<verb>.v1` says to a patient about their own chart.
 * Records and files take nouns and verbs of their events from here: none goes without words.
 */
export const ACT_NOUNS = {
  access: ["who can use your record", "who can use your record"],
  appointment: ["an appointment", "your appointments"],
  breakglass: ["emergency access to your record", "emergency accesses to your record"],
  "calendar-feed": ["your appointments in a calendar program", "your appointments in calendar programs"],
  careteam: ["your care team", "your care team"],
  claim: ["a claim for payment", "your claims for payment"],
  consent: ["a consent of yours", "your consents"],
  delegation: ["the right to prepare a copy of your record", "rights to prepare a copy of your record"],
  erasure: ["the erasure of your record", "the erasure of your record"],
  "erasure-request": ["the request to erase your record", "the request to erase your record"],
  export: ["a copy of your record to take away", "copies of your record to take away"],
  fhir: ["your record as data for another system", "your record as data for another system"],
  "fhir-resource": ["an entry that came from another system", "entries that came from another system"],
  file: ["a file", "your files"],
  keys: ["the keys of your record", "the keys of your record"],
  legalhold: ["the legal hold on your record", "the legal hold on your record"],
  log: ["the log of who used your record", "the log of who used your record"],
  patient: ["your personal details", "you in a list of patients"],
  prescription: ["a prescription", "your prescriptions"],
  "prescription-document": ["a printed prescription", "printed prescriptions"],
  record: ["an entry of your record", "entries of your record"],
  row: ["what is stored of an entry of your record", "what is stored of entries of your record"],
  "record-version": ["an earlier version of an entry", "earlier versions of an entry"],
  request: ["your record", "your record"],
  "row-version": ["an earlier version of an entry", "earlier versions of an entry"],
} as const satisfies Readonly<Record<string, readonly [one: string, many: string]>>;
export type ActNoun = keyof typeof ACT_NOUNS;

/** `…`: one of the noun; `… …`: many of it. */
export const ACT_VERBS = {
  approved: "approved …",
  arrived: "noted that you came to …",
  assigned: "added someone to …",
  attested: "made a receipt of …",
  "announcement-withdrawn": "withdrew the reminder of …",
  booked: "booked …",
  cancelled: "cancelled …",
  completed: "completed …",
  confirmed: "confirmed …",
  counted: "counted what is in …",
  created: "created …",
  damaged: "could not open …: it is damaged",
  deleted: "deleted …",
  denied: "tried to use …, and was refused",
  downloaded: "downloaded …",
  disagrees: "found that … is not what was written last",
  "end-announced": "sent a reminder of the end of …",
  erased: "erased …",
  expired: "removed …: its time was over",
  exported: "took out …",
  failed: "tried to use …, and it failed",
  fulfilled: "closed … as kept",
  hidden: "took … out of sight",
  imported: "brought in …",
  "integrity-read": "checked that nobody changed …",
  "keys-destroyed": "destroyed the keys of all copies in …",
  left: "broke off a download of …",
  lifted: "lifted …",
  listed: "looked at … …",
  made: "finished …",
  merged: "joined … with another record that was kept of you",
  missed: "noted that nobody came to …",
  noshow: "noted that nobody came to …",
  opened: "opened …",
  paid: "paid …",
  placed: "placed …",
  proved: "made a proof of an entry in …",
  queried: "looked at …",
  read: "looked at …",
  refused: "refused …",
  rejected: "rejected …",
  related: "may be close to you (by name, work or account), and used …",
  requested: "asked for …",
  rescheduled: "moved …",
  reviewed: "reviewed …",
  revised: "corrected …",
  revoked: "ended …",
  searched: "searched, and found … …",
  "shred-final": "noted that no copy is left of …",
  signed: "signed …",
  "slots-read": "looked for a free time for …",
  "start-announced": "sent a reminder of …",
  stored: "stored …",
  "stream-ended": "stopped following …",
  streamed: "followed … as it grew",
  submitted: "handed in …",
  summarised: "made a summary of your record with …",
  unassigned: "took someone off …",
  unmasked: "saw what is otherwise masked of …",
  unmerged: "parted … from another record",
  updated: "changed …",
  validated: "checked …",
  verified: "checked that … is genuine",
  withdrawn: "took back …",
  "versions-read": "looked at earlier versions of …",
} as const satisfies Readonly<Record<string, string>>;
export type ActVerb = keyof typeof ACT_VERBS;

const TYPE = /^medvault\.[a-z]+\.([a-z][a-z0-9_-]*)\.([a-z][a-z0-9_-]*)\.v[0-9]+$/;

/** What was done, to follow a person's name; null: there are no words for this type of event. */
export function wordsOfAct(type: string): string | null {
  const [, noun = "", verb = ""] = TYPE.exec(type) ?? [];
  if (!Object.hasOwn(ACT_NOUNS, noun) || !Object.hasOwn(ACT_VERBS, verb)) return null;
  const [one, many] = ACT_NOUNS[noun as ActNoun];
  return ACT_VERBS[verb as ActVerb].replace("… …", many).replace("…", one);
}
