import { dictionary } from "@zxcvbn-ts/language-common";

/**
 * Stems that people build passwords from, of our own gathering: after case, look-alikes and the
 * digits and signs at both ends are taken away, a password that is one of these, or two of these,
 * is common. A list of whole passwords would be longer and catch less, since the policy already
 * asks for four kinds of characters: `Password123!` and `P@ssw0rd2024!` are one stem.
 */
const STEMS = `
password passwort passwd passphrase pass motdepasse contrasena wachtwoord heslo parola senha
welcome willkommen bienvenue letmein login logon signin access enter open opensesame sesame secret private
admin administrator root superuser system sysadmin manager master owner user guest test testing tester demo
default changeme change changeit temp temporary newpassword mypassword thepassword yourpassword
qwerty qwertz azerty asdfgh asdf zxcvbn zxcvbnm qazwsx qwer qweasd wasd poiuyt lkjhgf mnbvcx
iloveyou love lover loveme loveyou mylove hello hallo bonjour hola goodbye goodmorning thankyou please
monkey dragon tiger lion eagle falcon panther bear wolf dog cat kitty puppy bunny rabbit horse pony bird
sunshine rainbow flower summer winter spring autumn fall sommer herbst fruehling january february march april
may june july august september october november december monday tuesday wednesday thursday friday saturday
sunday weekend holiday christmas easter birthday newyear
princess prince queen king angel baby babygirl sweetheart honey sugar cookie chocolate banana orange apple
cherry peach pepper ginger coffee pizza cheese
football soccer baseball basketball hockey tennis golf rugby cricket liverpool arsenal chelsea barcelona
madrid juventus bayern yankees cowboys lakers
superman batman spiderman ironman starwars pokemon pikachu naruto minecraft fortnite matrix hobbit gandalf
harrypotter hogwarts shadow phoenix ninja samurai pirate wizard merlin
michael jordan jennifer jessica ashley daniel andrew matthew joshua robert thomas charlie george william
david james john maria anna laura sarah nicole amanda michelle alexander benjamin samuel
london paris berlin madrid newyork chicago boston texas america england france germany spain italy europe
computer internet windows microsoft google facebook samsung iphone android linux ubuntu server database oracle
network router cisco security secure safety protect password1 trustno trustnoone whatever nothing something
hospital clinic medical medicine doctor doctors nurse patient patients health healthcare medvault vault records
surgery pharmacy dentist emergency ward
freedom money business company office work project money lucky winner success happy smile friend friends
family mother father brother sister forever always hunter killer mustang ferrari porsche mercedes corvette
correcthorsebatterystaple fuckyou fuck shit asshole bitch sexy
abc abcd abcde xyz onetwothree my the
`;

const stems = new Set(STEMS.split(/\s+/).filter(Boolean));

/**
 * Whether `letters` (lower case, look-alikes resolved) is one stem or two. Three words and more
 * with digits and signs among them are no longer what a list of common passwords holds.
 */
export function isMadeOfStems(letters: string): boolean {
  if (stems.has(letters)) return true;
  for (let cut = 1; cut < letters.length; cut++) {
    if (stems.has(letters.slice(0, cut)) && stems.has(letters.slice(cut))) return true;
  }
  return false;
}

/** The 49,233 of @zxcvbn-ts/language-common that are long enough to be taken at all. */
const whole = new Set((dictionary["passwords-common"] as string[]).filter((word) => word.length >= 8));

/** Whether this, in lower case, is a password that is in every list. */
export function isCommonWhole(text: string): boolean {
  return whole.has(text);
}
