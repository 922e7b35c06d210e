from secrecon.oast.limits import MAX_CLIENTS, RateLimit, Slots


def test_a_client_has_its_own_allowance_each_second() -> None:
    limit = RateLimit(2)
    assert [limit.allows("a", 1.0), limit.allows("a", 1.5), limit.allows("a", 1.9)] == [True, True, False]
    assert limit.allows("b", 1.9)
    assert limit.allows("a", 2.0)
    assert limit.refused == 1


def test_a_flood_of_forged_addresses_stays_bounded() -> None:
    limit = RateLimit(5)
    allowed = sum(limit.allows(f"client {n}", 1.0) for n in range(MAX_CLIENTS + 1000))
    assert allowed == MAX_CLIENTS + 5
    assert len(limit._counts) <= MAX_CLIENTS + 1


def test_slots_are_limited_per_client_and_in_total_and_come_back() -> None:
    slots = Slots(3, 2)
    assert [slots.take("a"), slots.take("a"), slots.take("a")] == [True, True, False]
    assert [slots.take("b"), slots.take("c")] == [True, False]
    slots.give("a")
    assert slots.take("c")
    for client in ("a", "b", "c"):
        slots.give(client)
    assert slots._open == {}
