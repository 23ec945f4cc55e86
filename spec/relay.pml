/*
 * The relay: it copies the log to Kafka in transactions that carry its checkpoint. Two relays, one lock; either may die or lose its
 * session at any moment, and any reply may be lost. src/infra/kafka/{settle,copy,Producer}.ts are what is modelled.
 *
 * A -D<NAME> takes one mechanism away (ops/spec.mjs lists them): a counterexample must follow.
 */
#define RELAYS 2
#define ROWS 2         /* of the log, published one by one; batch n carries row n */
#define MAX_CRASHES 2
#define MAX_SESSIONS 1 /* sessions that end while their relay goes on */
#define MAX_LOST 2     /* replies of Kafka */

/* Postgres: who holds the advisory lock, the last confirmed batch, and the open one after it (0: none). */
byte leader = 0;
byte confirmed = 0;
byte open_batch = 0;
byte open_nonce = 0;
byte confirmed_nonce = 0;

/* Kafka: the epoch of the transactional id, its transaction under way, what read_committed readers see, the offset. */
byte epoch = 0;
bool running = false;      /* records or an offset are in the transaction */
bool deciding = false;     /* commit is promised; its markers are not written yet */
byte tx_row = 0;           /* 0: the records of this transaction were not taken */
byte tx_batch = 0;
byte tx_nonce = 0;
byte offset = 0;
byte offset_nonce = 0;
byte published[ROWS + 1];

byte nonces = 0;
byte crashes = 0;
byte sessions = 0;
byte lost = 0;

#define LEADS (leader == _pid + 1)

/* The end of a commit: records and offset are visible together. */
inline markers() {
  d_step {
    if
    :: tx_row != 0 -> published[tx_row]++
    :: else
    fi;
    if
    :: tx_batch != 0 -> offset = tx_batch; offset_nonce = tx_nonce
    :: else
    fi;
    running = false; deciding = false; tx_row = 0; tx_batch = 0; tx_nonce = 0;
    assert(published[1] <= 1 && published[2] <= 1) /* nothing twice */
  }
}

inline aborted() {
  running = false; tx_row = 0; tx_batch = 0; tx_nonce = 0
}

#define DIE :: crashes < MAX_CRASHES -> atomic { crashes++; printf("  relay %d: dies\n", _pid); if :: LEADS -> leader = 0 :: else fi; goto term }
#define LOSE_SESSION :: sessions < MAX_SESSIONS && LEADS -> atomic { sessions++; leader = 0; printf("  relay %d: its session ends, it does not know\n", _pid) }

/* A new producer: the epoch rises, and what the predecessor had under way is over before this returns. */
inline fence() {
  atomic {
    !deciding -> /* a promised commit is finished first */
#ifndef NO_FENCING
    epoch++;
    aborted();
#endif
    mine = epoch; spoilt = false;
    printf("  relay %d: fences, epoch %d\n", _pid, mine)
  }
}

inline read_kafka() {
  atomic { seen = offset; seen_nonce = offset_nonce }
}

active [RELAYS] proctype Relay() {
  byte mine = 0;        /* epoch of the producer */
  bool spoilt = false;  /* kafkajs set back sequence numbers that the broker has used: it takes the next records for repeats */
  byte seen = 0;
  byte seen_nonce = 0;
  byte last = 0;        /* what is published, as this relay knows it */
  byte last_nonce = 0;
  byte batch = 0;
  byte nonce = 0;
  bool unconfirmed = false;

term: /* everything anew: nothing of one term is used in the next */
  atomic { if :: LEADS -> leader = 0 :: else fi; unconfirmed = false; batch = 0; nonce = 0; seen = 0; seen_nonce = 0; last = 0; last_nonce = 0; spoilt = false; mine = 0 };
end:
  atomic { leader == 0 -> leader = _pid + 1; printf("  relay %d: leads\n", _pid) };
#ifdef CHECKPOINT_BEFORE_FENCING
  read_kafka();
  fence();
#else
  fence();
  read_kafka();
#endif
  if
  DIE
  LOSE_SESSION
  :: true
  fi;

  /* What the two halves say together: Confirm, Remove or GoOn. Each is one statement, and only the leader's session makes it. */
  atomic {
    if
    :: !LEADS -> goto term
    :: else
    fi;
    if
    :: open_batch != 0 && seen == open_batch && seen_nonce == open_nonce ->
       confirmed = open_batch; confirmed_nonce = open_nonce; open_batch = 0; open_nonce = 0;
       printf("  relay %d: batch %d is in Kafka, confirms it\n", _pid, confirmed)
    :: open_batch != 0 && seen == confirmed && seen_nonce == confirmed_nonce ->
       printf("  relay %d: batch %d is not in Kafka, removes it\n", _pid, open_batch);
       open_batch = 0; open_nonce = 0
    :: open_batch == 0 && seen == confirmed && seen_nonce == confirmed_nonce -> skip
    :: else ->
       printf("  relay %d: the two sides do not agree\n", _pid);
       assert(false) /* refused, though nobody restored anything */
    fi;
    last = confirmed; last_nonce = confirmed_nonce
  };

copying:
  /* The row of the batch; with it the one before is confirmed. */
  atomic {
    if
    :: !LEADS -> goto term
    :: LEADS && unconfirmed ->
       confirmed = last; confirmed_nonce = last_nonce; open_batch = 0; open_nonce = 0; unconfirmed = false;
       /* what is confirmed is published: nothing is passed by */
       assert((confirmed < 1 || published[1] == 1) && (confirmed < 2 || published[2] == 1))
    :: LEADS && !unconfirmed -> skip
    fi;
    if
    :: last >= ROWS -> goto copied
    :: else
    fi;
    nonces++; nonce = nonces; batch = last + 1;
    open_batch = batch; open_nonce = nonce;
    printf("  relay %d: writes batch %d\n", _pid, batch)
  };
  if
  DIE
  LOSE_SESSION
  :: true
  fi;

sending:
  /* The records. */
  atomic {
    if
    :: mine != epoch || deciding -> goto term /* fenced */
    :: else
    fi;
    running = true;
    if
    :: spoilt -> printf("  relay %d: sends row %d; the broker takes it for a repeat and acknowledges it\n", _pid, batch)
    :: else -> tx_row = batch; printf("  relay %d: sends row %d\n", _pid, batch)
    fi
  };
  if
  DIE
  LOSE_SESSION
  :: lost < MAX_LOST -> lost++;
     printf("  relay %d: the reply is lost\n", _pid);
#ifdef PRODUCER_KEPT
     /* aborts, and tries once more with the producer that it has */
     atomic {
       if
       :: mine == epoch && !deciding -> aborted(); spoilt = true; goto sending
       :: else -> goto term
       fi
     }
#else
     goto term
#endif
  :: true
  fi;

  /* The offset, in the same transaction. */
  atomic {
    if
    :: mine != epoch || deciding -> goto term
    :: else -> tx_batch = batch; tx_nonce = nonce
    fi
  };
  if
  DIE
  LOSE_SESSION
  :: true
  fi;

  /* The commit: promised here, visible with its markers. */
  atomic {
    if
    :: mine != epoch || deciding -> goto term
    :: else -> deciding = true; printf("  relay %d: commits batch %d\n", _pid, batch)
    fi
  };
  if
  DIE
  LOSE_SESSION
  :: lost < MAX_LOST -> lost++; printf("  relay %d: the reply is lost\n", _pid); goto term
  :: true
  fi;
  atomic { !(deciding && tx_batch == batch && tx_nonce == nonce) -> last = batch; last_nonce = nonce; unconfirmed = true; spoilt = false };
  goto copying;

copied: /* stands by its work until it dies or loses its session */
end_copied:
  if
  DIE
  LOSE_SESSION
  :: !LEADS -> goto term
  fi;
  goto copied
}

/* The broker's coordinator finishes what was promised. */
active proctype Coordinator() {
end:
  do
  :: deciding -> markers()
  od
}

#ifndef SAFETY
ltl all { <> (published[1] == 1 && published[2] == 1) }
#endif
