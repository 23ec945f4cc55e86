/*
 * One event at the gate: deliveries, workers that die, stall or fail, rescuers, a person. Every step between two
 * semicolons of an atomic block is one statement of the store, so one commit.
 *
 * `move` is the only way in which the state changes; test/spec/Gate.test.ts reads its arguments out of this file and holds them
 * against the machine of src/domain/Gate.ts and against the logs of real runs.
 *
 * A -D<NAME> takes one mechanism away (ops/spec.mjs lists them): a counterexample must follow.
 */
#define DELIVERIES 2
#define RESCUERS 2
#define MAX_ATTEMPTS 2
#define MAX_CRASHES 2 /* of workers, and lost replies */
#ifdef SAFETY
#define MAX_STALLS 2  /* leases that end though their holder lives */
#define MAX_FAILURES 2
#else
#define MAX_STALLS 1
#define MAX_FAILURES 1
#endif
#define MAX_ACTS 1    /* of a person */

mtype = { Unseen, Processing, Failed, Parked, Done }

/* Events by the names that they have in the log. */
mtype = { E_Claimed, E_Reclaimed, E_Completed, E_Failed, E_Released, E_Parked, E_Redriven, E_Dismissed }

mtype state = Unseen;
byte fence = 0;
byte attempts = 0;
bool expired = false; /* the lease of the present claim is over */
bool alive = false;   /* its holder lives */

bool acked = false;   /* a delivery was answered 200 */
byte completions = 0;
byte booked = 0;      /* sets of billing events in the log */
byte doneBy = 0;      /* the fence of the completion */

byte crashes = 0;
byte stalls = 0;
byte failures = 0;
byte acts = 0;

/* Done is final. */
#define move(from, event, to) d_step { \
  printf("  process %d: %e, %e -> %e, present fence %d\n", _pid, E_##event, from, to, fence); \
  assert(state == from); assert(state != Done); state = to }

#ifdef NO_FENCE
#define HOLDS(f) (state == Processing)
#else
#define HOLDS(f) (state == Processing && fence == f)
#endif

/* A claim is one more: the next fence, a new lease. */
inline claimed(mine) {
  d_step {
    fence++; mine = fence; expired = false; alive = true;
    printf("  process %d: holds fence %d\n", _pid, mine)
  }
}

/* What moves an event on is its holder. */
inline holder(mine) {
  d_step {
    printf("  process %d: speaks under fence %d\n", _pid, mine);
    assert(fence == mine)
  }
}

inline take_expired(mine) {
  attempts++;
  if
  :: attempts >= MAX_ATTEMPTS -> move(Processing, Parked, Parked); expired = false; mine = 0
  :: else -> move(Processing, Reclaimed, Processing); claimed(mine)
  fi
}

/* Dies with its claim; the request, where there is one, is not answered. */
#define MAY_DIE(mine) :: crashes < MAX_CRASHES -> atomic { crashes++; printf("  process %d: dies\n", _pid); if :: fence == mine -> alive = false :: else fi; goto dead }

/* State, facts and log in one commit, and all of it hangs on the fenced change. */
inline complete(mine) {
  atomic {
#ifdef EFFECTS_APART
    booked++;
#endif
    if
    :: HOLDS(mine) ->
       holder(mine); move(Processing, Completed, Done);
       d_step { completions++; doneBy = mine; alive = false };
#ifndef EFFECTS_APART
       booked++;
#endif
       assert(completions <= 1);
       told = true
    :: else ->
#ifdef REPORT_STALE
       told = true /* no row was changed, and nobody looks why */
#else
       told = (state == Done && doneBy == mine) /* our own completion, whose reply was lost */
#endif
    fi;
    assert(booked <= 1)
  }
}

/* From the claim to its end. `mine` is the fence that the worker presents. */
inline work(mine) {
  if
  MAY_DIE(mine)
  :: complete(mine);
     if
     :: crashes < MAX_CRASHES -> crashes++; complete(mine) /* the reply was lost: once more, under the same fence */
     :: true
     fi;
     if
     :: told -> printf("  process %d: is told that it completed under fence %d\n", _pid, mine); assert(doneBy == mine) /* a completion that was fenced off is never reported */
     :: else
     fi
  :: failures < MAX_FAILURES -> /* of the event: counted */
     atomic {
       failures++;
       if
       :: HOLDS(mine) ->
          holder(mine); attempts++; alive = false;
          if
          :: attempts >= MAX_ATTEMPTS -> move(Processing, Parked, Parked)
          :: else -> move(Processing, Failed, Failed)
          fi
       :: else
       fi
     }
  :: failures < MAX_FAILURES -> /* of the world: not counted; or handed back at a shutdown */
     atomic {
       failures++;
       if
       :: HOLDS(mine) -> holder(mine); move(Processing, Failed, Failed); alive = false
       :: HOLDS(mine) -> holder(mine); move(Processing, Released, Failed); alive = false
       :: else
       fi
     }
  :: failures < MAX_FAILURES -> /* permanent */
     atomic {
       failures++;
       if
       :: HOLDS(mine) -> holder(mine); move(Processing, Parked, Parked); alive = false
       :: else
       fi
     }
  fi
}

active [DELIVERIES] proctype Delivery() {
  byte mine = 0;
  bool told = false;
#ifdef ANSWER_FIRST
  acked = true; /* before the commit of the claim */
  printf("  process %d: answered 200\n", _pid);
  if
  :: crashes < MAX_CRASHES -> crashes++; printf("  process %d: dies\n", _pid); goto dead
  :: true
  fi;
#endif
  atomic {
    if
    :: state == Unseen -> move(Unseen, Claimed, Processing); claimed(mine)
    :: state == Unseen -> /* proves its facts by itself: claimed and completed in one commit */
       move(Unseen, Claimed, Processing); claimed(mine);
       move(Processing, Completed, Done); completions++; booked++; doneBy = mine; alive = false; mine = 0
    :: state == Processing && expired -> take_expired(mine)
    :: state == Failed -> move(Failed, Reclaimed, Processing); claimed(mine) /* due, or a redelivery */
#ifdef DONE_REOPENED
    :: state == Done -> move(Done, Reclaimed, Processing); claimed(mine)
#endif
    :: else /* a duplicate, whatever its state */
    fi
  };
  if
  MAY_DIE(mine)
  :: acked = true; printf("  process %d: answered 200\n", _pid) /* at the deadline, or as a duplicate: the event is durably ours */
  :: mine != 0 -> skip /* answered after the work */
  fi;
  if
  :: mine != 0 -> work(mine); acked = true
  :: else
  fi;
dead:
  skip
}

#ifndef NO_RESCUER
active [RESCUERS] proctype Rescuer() {
  byte mine;
  bool told;
dead: /* another one takes its place */
  mine = 0;
  told = false;
end:
  if
  :: atomic { state == Processing && expired -> take_expired(mine) }
  :: atomic { state == Failed -> move(Failed, Reclaimed, Processing); claimed(mine) }
  fi;
  if
  :: mine != 0 -> work(mine)
  :: else
  fi;
  goto dead
}
#endif

/* The lease of a dead holder ends; now and then that of one that only stalled does too. */
#ifndef NO_LEASE
active proctype Clock() {
end:
  do
  :: atomic { state == Processing && !expired && !alive -> expired = true; printf("  the lease ends\n") }
  :: atomic { state == Processing && !expired && alive && stalls < MAX_STALLS -> stalls++; expired = true; printf("  the lease ends though its holder lives\n") }
  od
}
#endif

active proctype Person() {
end:
  do
  :: atomic { acts < MAX_ACTS && state == Failed -> acts++; move(Failed, Redriven, Failed); attempts = 0 }
  :: atomic { acts < MAX_ACTS && state == Parked -> acts++; move(Parked, Redriven, Failed); attempts = 0 }
  :: atomic { acts < MAX_ACTS && state == Failed -> acts++; move(Failed, Dismissed, Done) }
  :: atomic { acts < MAX_ACTS && state == Parked -> acts++; move(Parked, Dismissed, Done) }
  od
}

#ifndef SAFETY
/* What was answered 200 ends done, or parked where a person sees it. Under weak fairness: whoever can go on does so. */
ltl settled { [] (acked -> <> (state == Done || state == Parked)) }
#endif
