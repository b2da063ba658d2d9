// Verifies a JWT with the npm package jose, which shares no code with us.
//   verify.mjs NODE_MODULES; stdin: {"token", "jwks", "alg", "issuer", "audience"}
// Prints {"payload", "header"} or {"error"}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const jose = await import(pathToFileURL(process.argv[2] + "/jose/dist/webapi/index.js"));
const wish = JSON.parse(readFileSync(0, "utf8"));
try {
	const keys = jose.createLocalJWKSet(wish.jwks);
	const { payload, protectedHeader } = await jose.jwtVerify(wish.token, keys, {
		algorithms: [wish.alg],
		issuer: wish.issuer,
		audience: wish.audience,
		typ: wish.typ ?? undefined,
	});
	console.log(JSON.stringify({ payload, header: protectedHeader }));
} catch (e) {
	console.log(JSON.stringify({ error: e.code ?? String(e) }));
}
