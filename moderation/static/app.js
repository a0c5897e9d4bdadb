// The moderators' pages. Everything here also works as plain links and forms; this makes it quick.
import * as cards from "./cards.js";
import * as claim from "./claim.js";
import * as decide from "./decide.js";
import * as explain from "./explain.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as prefs from "./prefs.js";
import * as select from "./select.js";
import * as single from "./single.js";

for (const part of [prefs, single, cards, decide, keys, select, claim, live, explain]) part.start();
