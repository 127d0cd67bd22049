/** What people type into forms of a clinic: doses, times, measures, genes, addresses, remarks. */
export const HONEST_TYPING: readonly string[] = `
  vitamin B12 (1000 mcg) -- ¦ sleep(8h) ¦ sleep (8h) or less ¦ /etc ¦ != ¦ && ¦ == ¦ <> ¦ -- ¦ N/A
  n/a -- see note ¦ 5 mg/kg/day ¦ Hb < 10 && plt > 50 ¦ BP 120/80; HR 70 ¦ pain (left) or (right) ¦ 2-3x/day
  Lisinopril 10 mg; take 1 or 2 ¦ COVID-19 (+) ¦ 'soft' abdomen ¦ O/E: NAD ¦ Rx: drop 2 in eye
  select if needed ¦ Tab. & syrup ¦ 50% off ¦ a&b ¦ x=y ¦ update next visit from GP ¦ O'Brien
  D'Angelo & Sons ¦ D'Or ¦ Union Hospital ¦ order by Dr. Smith ¦ Ordered by Dr O'Neil ¦ group by age
  table for two ¦ Insert into left ear ¦ drop into both eyes ¦ delete from list ¦ Drop foot (left)
  Cast (arm) ¦ cast(left arm) ¦ Oct(2020) ¦ version(2) ¦ schema (2) ¦ Bin(3) ¦ count(low) ¦ sum (total)
  date(2020) ¦ left(eye) ¦ right(eye); left(eye) ¦ left (ear) and right (ear) ¦ char (burn) ¦ user(s)
  year(s) or month(s) ¦ day(s)/week(s) ¦ min(s) ¦ max 4/day ¦ if needed (PRN) ¦ exec. function decline
  Executive function; memory ¦ where is the pain from ¦ having pain 2/10 ¦ having 3 or 4 stools/day
  like 5 or 6 ¦ is null ¦ not null ¦ null ¦ true ¦ 1=1 ¦ 10-20 mg -- titrate ¦ titrate to effect -- max 80
  (see above) -- ¦ "as needed" ¦ "with food" and "at night" ¦ take 'with food' or 'after food' ¦ 6" scar
  5'11" ¦ 5' 11" / 180 lb ¦ ft 5'9 ¦ height 5'10", weight 70kg ¦ # 30 ¦ #30 (thirty) ¦ 30 tabs # refills 2
  urgent! ¦ *urgent* ¦ **URGENT** ¦ *** ¦ ??? ¦ (?) ¦ ;) ¦ :-) ¦ <3 ¦ <5 ¦ > 5 ¦ >=5 and <=10 ¦ <10 mg/dL ¦ a<b
  a > b or c < d ¦ pH<7.2 ¦ K+ 5.5 (high!) ¦ $100 ¦ $5 copay ¦ 100 USD || 90 EUR ¦ yes || no ¦ A&E ¦ R&D
  M&M's allergy ¦ Johnson & Johnson ¦ AT&T ¦ Smith; John ¦ Smith, John (Jr.) ¦ Smith/Jones ¦ C:\\ ¦ c/o John
  w/o contrast ¦ w/ contrast ¦ s/p appendectomy ¦ h/o MI ¦ r/o PE ¦ y/o male ¦ 50 y/o ¦ 1/2 tab ¦ 1 1/2 tabs
  0.5-1 mg ¦ .5 mg ¦ 5.0 ¦ 5% ¦ 5% dextrose ¦ D5W + 20 KCl ¦ NaCl 0.9% ¦ 0.9% NS @ 100 ml/h ¦ @home
  john@example.org ¦ Dr. John <john@example.org> ¦ http://example.org ¦ www.example.org/path?x=1&y=2 ¦ ./
  ... ¦ .. ¦ ~ ¦ ~5 days ¦ ^ ¦ 1^2 ¦ 10^9/L ¦ x10^9/L ¦ 10*9/L ¦ [pH] ¦ {x} ¦ {} ¦ [] ¦ () ¦ ()() ¦ a(b)c(d)
  f(x) ¦ f(x)=y ¦ T(max) ¦ AUC(0-24) ¦ t(9;22) ¦ t(9;22)(q34;q11) ¦ del(5q) ¦ inv(16) ¦ 46,XX ¦ 47,XY,+21
  c.1521_1523delCTT ¦ p.Phe508del ¦ NM_000492.4(CFTR):c.1521_1523del ¦ BRCA1 c.68_69delAG (p.Glu23fs)
  HLA-B*57:01 ¦ HLA-DRB1*15:01 ¦ CYP2D6*4/*4 ¦ rs123456 ¦ E11.9 ¦ I10; E78.5 ¦ Z79.4 -- long term insulin
  S72.001A ¦ F32.9 or F33.9 ¦ M54.5 and M54.2 ¦ icd-10: E11.9 ¦ ICD10#E11.9 ¦ LOINC 718-7 ¦ 718-7
  2.16.840.1.113883.6.1 ¦ urn:oid:2.16.840.1.113883 ¦ urn:uuid:0e5 ¦ SNOMED|123 ¦ | ¦ |A|B| ¦ MRN#12345
  MRN: 12345 ¦ SSN 123-45-6789 ¦ 123 45 6789 ¦ +44 (0)20 7946 0958 ¦ (555) 123-4567 x89
  (555) 123-4567; ext. 89 ¦ +1-555-0100 ¦ tel:+15550100 ¦ 12 High St; Flat 3 ¦ 12 High St #3
  Apt #3 -- rear ¦ P.O. Box 12 ¦ Nurse's station ¦ nurses' station ¦ patients' and nurses'
  mothers' or fathers' ¦ rock 'n' roll ¦ 'n' ¦ Y'all ¦ it's and that's ¦ don't know or can't say
  don't -- won't ¦ can't = won't ¦ she's or he's ¦ can't OR won't ¦ 'or' ¦ 'and' ¦ "and" ¦ "or"
  yes' or 'no ¦ yes" or "no ¦ cat ¦ ruby ¦ sleep ¦ find ¦ top ¦ Ping ¦ kill ¦ Cat Stevens ¦ Ruby (rose)
  Pip & Ruby ¦ sed rate 20 ¦ ESR; sed rate ¦ at 5pm ¦ at bedtime ¦ date of birth ¦ time out ¦ who is it
  host: dust mite ¦ id 12 ¦ more | less ¦ less; more ¦ more & less ¦ top of head ¦ split (wound)
  env. allergy ¦ tar (topical) ¦ dd: gout ¦ df 50 ¦ rm 12 ¦ Rm 12; bed 3 ¦ ps: call back ¦ mv: 500
  ls spine ¦ LS spine; x-ray ¦ id: cat ¦ nice; stable ¦ sort: urgent ¦ cut; left hand ¦ head -- CT
  head; neck ¦ watch & wait ¦ screen -- negative ¦ screen; refer ¦ test; retest ¦ test && retest ¦ tail bone
  join: left ¦ mount (biopsy) ¦ split; heal ¦ cp & dyspnoea ¦ CP; SOB ¦ CC: cough; fever ¦ SOB; CP; N/V
  ed; clinic ¦ ED && ICU ¦ sh; dh; fh ¦ php 5000 ¦ sh: smoker ¦ exp(2) ¦ log(10) ¦ log(viral load)
  log10 4.5 ¦ sin(us) ¦ pi ¦ ln(2) ¦ abs(5) ¦ mod(erate) ¦ rand(om) ¦ position (supine) ¦ format (tablet)
  repeat (x2) ¦ repeat(x3) ¦ replace(ment) ¦ reverse(d) ¦ round (1) ¦ trim(ester) ¦ trim(ester) 2
  lower(limb) ¦ upper(limb) & lower(limb) ¦ length(cm) ¦ interval(QT) ¦ interval (QTc) ¦ space(r) ¦ avg(3)
  std(s) ¦ std(s) = neg ¦ binary: yes ¦ between 1 and 2 ¦ between 5 and 10 mg ¦ from 1 to 2 ¦ values: normal
  case closed ¦ case: 12 when seen then ok ¦ when in doubt then refer ¦ limit 2 ¦ limit 2, max 4 ¦ offset 2
  grant pending ¦ revoke consent ¦ merge; chart ¦ call back ¦ call(back) ¦ call mum; dad ¦ backup (2)
  restore; sight ¦ load ¦ truncate ¦ create plan; update plan ¦ create, update, delete ¦ alter dose
  alter dose; table ¦ shutdown ¦ exec ¦ execute plan ¦ declare a death ¦ table 2 ¦ database entry
  view (AP) ¦ view (AP & lat) ¦ function (renal) ¦ function(renal) ¦ procedure (minor) ¦ trigger finger
  index finger ¦ schema ¦ login ¦ outfile ¦ {name} ¦ <name> ¦ <b> ¦ <br> ¦ <p> ¦ <unknown> ¦ <none> ¦ << >>
  --> ¦ -> ¦ => ¦ <- ¦ a -> b ¦ a => b ¦ alert & oriented ¦ alert (x3) ¦ A&O(x3) ¦ confirm (by phone)
  prompt (early) ¦ write (name) ¦ fetch (results) ¦ onset = 2 days ¦ onset=2d ¦ on = yes ¦ once=1
  style = cook ¦ data: none ¦ data:, none ¦ top. of list ¦ content: ok ¦ window. seat ¦ this. that
  parent. child ¦ self. care ¦ self.name ¦ document. attached ¦ location. left ¦ constructor ¦ prototype
  javascript ¦ script ¦ object ¦ form ¦ link ¦ HTTP/1.1 ¦ GET / HTTP ¦ POST op ¦ post: op ¦ content-type
  location: left knee ¦ host: none ¦ quit smoking ¦ quit ¦ help ¦ data ¦ user name ¦ pass 12
`
  .trim()
  .split(/ ¦ |\n */);
