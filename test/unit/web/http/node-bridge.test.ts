import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { bridge } from '#src/web/http/node-bridge.js';
import { serve } from '../../../support/follow-server.js';

describe("the bridge from Node's requests to the web's", () => {
  it('refuses what the web has no request for, and lives on', async (t) => {
    const seen: string[] = [];
    const failed: unknown[] = [];
    const server = await serve(t, (request, response) => {
      bridge(request, response, async ({ method, url }) => {
        seen.push(`${method} ${new URL(url).pathname}`);
        return new Response('ok');
      }).catch((error) => failed.push(error));
    });
    const port = Number(new URL(server.url).port);
    const statusOf = async (head: string) => {
      const socket = connect(port, '127.0.0.1');
      let answer = '';
      socket.setEncoding('latin1').on('data', (text) => {
        answer += text;
      });
      socket.write(`${head}\r\nConnection: close\r\n\r\n`, 'latin1');
      await once(socket, 'close');
      return Number(answer.split(' ')[1]);
    };
    for (const head of [
      'GET / HTTP/1.1\r\nHost: a b',
      'GET / HTTP/1.1\r\nHost: [',
      'TRACE / HTTP/1.1\r\nHost: shop.example',
    ])
      assert.equal(await statusOf(head), 400, head);
    assert.deepEqual(seen, []);
    assert.equal(await statusOf('GET //evil.example/a HTTP/1.1\r\nHost: shop.example'), 200);
    assert.equal(await statusOf('GET http://evil.example HTTP/1.1\r\nHost: shop.example'), 200);
    assert.deepEqual([seen[0], failed], ['GET //evil.example/a', []]);
  });
});
