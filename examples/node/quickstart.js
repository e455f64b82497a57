// A session's life in a minute, against a development server: `make run`, then `npm install && npm start`.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { SessionError, connect } from "./client.js";

const ADDRESS = process.env.SESSIONSTORE_ADDRESS ?? "127.0.0.1:7700";
const TOKEN_FILE =
  process.env.SESSIONSTORE_TOKEN_FILE ??
  fileURLToPath(new URL("../../.sessiond/dev.token", import.meta.url));

// A request id is new for each call and the same for its retries: nothing is done twice.
const once = (request) => ({ ...request, requestId: randomUUID() });
const time = (timestamp) => new Date(Number(timestamp.seconds) * 1000).toISOString();

/** Log in, refresh, get found out as a thief, and log out. */
async function main() {
  const sessions = connect(ADDRESS, TOKEN_FILE);
  const userId = "alice";

  const laptop = { userAgent: "Firefox on Linux", deviceName: "Alice's laptop" };
  const login = await sessions.createSession(once({ userId, client: laptop }));
  console.log(`logged in:   session ${login.session.sessionId} until ${time(login.session.expireTime)}`);

  const { refreshToken } = login.tokens;
  const refreshed = await sessions.refreshSession(once({ refreshToken }));
  console.log(`refreshed:   session ${refreshed.session.sessionId}, ${refreshed.outcome}`);

  const { accessToken } = refreshed.tokens;
  const { verdict } = await sessions.validateSession({ accessToken });
  console.log(`validated:   ${verdict}`);

  let made;
  for (let i = 0; i < 10; i++) {
    made = await sessions.createSession(once({ userId, client: { userAgent: "another browser" } }));
  }
  const evicted = made.evictedSessions.map((session) => session.sessionId);
  console.log(`ten more:    the oldest made room: ${evicted.join(", ")}`);

  const exceptSessionId = made.session.sessionId;
  const ended = await sessions.revokeUserSessions(once({ userId, exceptSessionId }));
  console.log(`log out all: ${ended.sessionIds.length} others ended`);

  try {
    await sessions.refreshSession(once({ refreshToken }));
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    console.log(`refused:     ${error.code} ${error.reason}: ${error.metadata.end_reason}`);
  }

  await sessions.revokeSession({ sessionId: exceptSessionId });
  const left = await sessions.listSessions({ userId, pageSize: 3 });
  console.log(`left:        ${left.sessions.map((session) => session.state)}`);
  sessions.close();
}

await main();
