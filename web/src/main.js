// The conversation page: one person signs in, joins, waits, talks, and is
// shown what it cost.
//
// What the person is doing is known from the user document alone, which the
// event stream delivers and which join and leave answer with; this page keeps
// no state of its own beside it but what is under way (an action, a camera).
// A document older than the one shown is dropped.

import { post } from './api.js';
import { Auth, SignedOut } from './auth.js';
import { follow } from './events.js';
import { Media } from './media.js';
import { render, renderTime } from './view.js';

const CLOCK_MS = 250;

function byId(id) {
  return document.getElementById(id);
}

class Page {
  #auth = null;
  #doc = null;
  #doing = 'loading';
  #problem = null;
  #serviceTrouble = null;
  #serverAhead_ms = 0;
  #talked = false;
  #media;

  constructor() {
    this.#media = new Media(
      { self: byId('self'), peer: byId('peer') },
      {
        change: () => this.#render(),
        problem: (code) => this.#fail(new Error(code)),
      },
    );
  }

  async start() {
    this.#render();
    setInterval(() => this.#tick(), CLOCK_MS);
    byId('sign-in').addEventListener('click', () => this.#auth.signIn());
    byId('sign-out').addEventListener('click', () => this.#signOut());
    byId('join').addEventListener('click', () => this.#join());
    byId('leave').addEventListener('click', () => this.#leave());
    byId('here').addEventListener('click', () => this.#media.takeOver());
    byId('hear').addEventListener('click', () => this.#media.hear());

    try {
      this.#auth = new Auth(await this.#config());
      await this.#auth.start();
    } catch (error) {
      this.#problem = error;
    }

    this.#doing = null;
    this.#render();

    if (this.#auth?.signedIn) {
      await this.#follow();
    }
  }

  async #config() {
    try {
      const answer = await fetch('./config.json', { cache: 'no-store' });
      const { clientId, issuer, hostedUI } = await answer.json();

      // A development provider serves its hosted UI beside its issuer.
      return { clientId, hostedUI: hostedUI ?? new URL(issuer).origin };
    } catch (cause) {
      throw new Error('no_config', { cause });
    }
  }

  async #follow() {
    const end = await follow(this.#auth, './api/events', {
      onDocument: (doc) => {
        this.#serviceTrouble = null;
        this.#take(doc);
      },
      onServerTime: (ms) => {
        this.#serverAhead_ms = ms - Date.now();
      },
      onTrouble: (error) => {
        this.#serviceTrouble = error;
        this.#render();
      },
    });

    this.#end(end);
  }

  #end(error) {
    this.#auth.forget();
    this.#doc = null;
    this.#serviceTrouble = null;
    this.#media.follow(null);
    this.#media.close();
    this.#fail(error);
  }

  #take(doc) {
    if (this.#doc && doc.version < this.#doc.version) {
      return;
    }

    const was = this.#doc?.state;

    this.#doc = doc;
    this.#media.follow(doc.session);

    if (was && was !== doc.state) {
      this.#problem = null;
    }

    if (doc.state !== 'idle') {
      this.#talked ||= doc.session !== null;
    } else if (this.#doing !== 'opening' && this.#doing !== 'joining') {
      this.#media.close();
    }

    this.#render();
  }

  #fail(error) {
    console.warn('convo:', error);
    this.#problem = error;
    this.#render();
  }

  // Runs one action at a time, naming it while it is under way.
  async #act(name, action) {
    if (this.#doing) {
      return;
    }

    this.#problem = null;
    this.#doing = name;
    this.#render();

    try {
      await action();
    } catch (error) {
      if (error instanceof SignedOut) {
        this.#end(error);
      } else {
        this.#fail(error);
      }
    } finally {
      this.#doing = null;
      this.#render();
    }
  }

  async #join() {
    await this.#act('opening', async () => {
      await this.#media.open();
      this.#doing = 'joining';
      this.#render();

      try {
        this.#take(await post(this.#auth, './api/join'));
      } catch (error) {
        if (this.#doc?.state === 'idle') {
          this.#media.close();
        }
        throw error;
      }
    });
  }

  async #leave() {
    await this.#act('leaving', async () => {
      this.#take(await post(this.#auth, './api/leave'));
    });
  }

  async #signOut() {
    await this.#act('leaving', async () => {
      if (this.#doc && this.#doc.state !== 'idle') {
        await post(this.#auth, './api/leave').catch(() => {});
      }
      await this.#auth.signOut();
    });
  }

  #state() {
    if (this.#doing) {
      return this.#doing;
    }

    if (!this.#auth?.signedIn) {
      return 'signed-out';
    }

    return this.#doc?.state ?? 'loading';
  }

  #render() {
    render({
      state: this.#state(),
      doc: this.#doc,
      media: this.#media,
      busy: this.#doing !== null,
      problem: this.#problem,
      serviceTrouble: this.#serviceTrouble,
      signedIn: this.#auth?.signedIn,
      talked: this.#talked,
    });
    this.#tick();
  }

  #tick() {
    const endsAt_s = this.#doc?.session?.endsAt;
    const now_s = (Date.now() + this.#serverAhead_ms) / 1000;

    renderTime(this.#doc, endsAt_s ? endsAt_s - now_s : null);
  }
}

new Page().start();
