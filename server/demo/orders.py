"""How did each order of the demo company come to where it stands? Its history, told step by step.

Everybody in a history holds the role that the step asks for: engineers write orders without prices, buyers
price and submit, managers approve up to the project's limit and the director above it, whoever does the work
reports it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from db.tables import AssignmentRow, OrderLineRow
from domain.fulfilment import quantity_at
from domain.order import OrderAction, OrderState
from domain.values import QUANTITY_PLACES, UNIT_PRICE_PLACES, rounded
from server.demo.boms import EFFICIENT_MOTORS_FROM
from server.demo.company import COST_CODE_BY_CODE, CURRENCY, PERSON_BY_USERNAME, Person
from server.demo.fixed import fixed_id, working_moment
from server.demo.frozen import freeze
from server.demo.history import OrderHistory, blank_order
from server.demo.plans import OrderPlan, order_plans
from server.demo.works import COUNTED, Material

_END = date(2026, 10, 1)
"""No history reaches this day."""

_A, _S = OrderAction, OrderState
_WHOLE = Decimal(100)
_OVER_DELIVERED = Decimal(104)

_DIRECTOR, _FINANCE = PERSON_BY_USERNAME["director"], PERSON_BY_USERNAME["finance"]
_AGENTS = {
    person.organization: person
    for person in (PERSON_BY_USERNAME["contractor"], PERSON_BY_USERNAME["contractor2"])
}

_REJECTIONS = (
    "单价高于最近一次询价，请重新核价。",
    "Quantities do not match drawing rev. C.",
    "请补充施工方案后再报。",
)
_HOLDS = ("连续暴雨，现场停工。Heavy rain, site closed.", "等待业主确认变更。", "Material is two weeks late.")
_CANCELLATIONS = (
    "范围并入另一订单。Merged into another order.",
    "业主取消该部分工程。",
    "Design changed, not needed.",
)
_REPORTS = (
    None,
    "按计划推进。",
    "Second shift since Monday.",
    None,
    "监理已旁站。Witnessed by the supervisor.",
)
_REBASE = "改用 IE4 电动机。Motors of the next efficiency class."
_TRADES = ("钢筋工 Steel fixer", "安装钳工 Fitter", "电工 Electrician", "管道工 Pipe layer")


def demo_orders() -> list[OrderHistory]:
    """Return all orders with their histories, in the order of their creation."""
    return [_Walk(plan).to_destination() for plan in order_plans()]


class _Walk:
    """One order on its way from its creation to its destination; days pass with each step."""

    def __init__(self, plan: OrderPlan) -> None:
        self._plan = plan
        self._cast = plan.cast
        self._day = plan.day
        self._history = _created(plan)
        self._stages: dict[OrderState, Callable[[], None]] = {
            _S.SUBMITTED: self._submit,
            _S.APPROVED: self._approve,
            _S.RELEASED: self._release,
            _S.IN_PROGRESS: self._work,
            _S.COMPLETED: self._complete,
            _S.ACCEPTED: self._accept,
            _S.SETTLED: self._settle,
        }

    def to_destination(self) -> OrderHistory:
        """Walk all the way and return the history."""
        if self._plan.work.bom is not None:
            self._freeze(*self._plan.work.bom)
        match self._plan.destination:
            case _S.DRAFT if not self._plan.is_priced:
                pass
            case _S.REJECTED:
                self._price()
                self._be_rejected()
            case _S.ON_HOLD:
                self._reach(_S.IN_PROGRESS)
                self._hold()
                if self._plan.work.bom is not None:
                    self._rebase(*self._plan.work.bom)
            case _S.CANCELLED:
                self._reach(self._plan.cancelled_in)
                self._cancel()
            case state:
                self._reach(state)
        assert self._history.order.state is self._plan.destination, "a walk ends where it was planned to"
        return self._history

    def _freeze(self, code: str, quantity: str) -> None:
        def by_today() -> None:
            freeze(self._history, code, quantity, self._day)

        self._step(_A.FREEZE_BOM, self._cast.engineer, 1, 1, change=by_today)

    def _rebase(self, code: str, quantity: str) -> None:
        def by_the_new_motors() -> None:
            freeze(self._history, code, quantity, EFFICIENT_MOTORS_FROM)

        self._step(_A.FREEZE_BOM, self._cast.manager, 1, 4, note=_REBASE, change=by_the_new_motors)

    def _reach(self, goal: OrderState) -> None:
        self._price()
        if self._plan.was_rejected:
            self._be_rejected()
            self._step(_A.REVISE, self._cast.buyer, 1, 2)
            self._step(_A.UPDATE, self._cast.buyer, 1, 1, change=self._lower_prices)
        if goal is not _S.DRAFT:
            for state, stage in self._stages.items():
                stage()
                if state is goal:
                    break

    def _price(self) -> None:
        is_untouched = self._plan.destination is _S.DRAFT and not self._plan.was_rejected
        is_partly = is_untouched and self._plan.pick("partly", 2) == 0

        def set_prices() -> None:
            for line, material in self._priced_lines()[: -1 if is_partly else None]:
                factor = Decimal(95 + self._plan.pick(f"price.{line.position}", 11)) / 100
                line.unit_price = rounded(rounded(material.price * factor, 2), UNIT_PRICE_PLACES)

        self._step(_A.UPDATE, self._cast.buyer, 1, 2, change=set_prices)

    def _lower_prices(self) -> None:
        for line, material in self._priced_lines():
            line.unit_price = rounded(rounded(material.price * Decimal("0.94"), 2), UNIT_PRICE_PLACES)

    def _be_rejected(self) -> None:
        self._submit()
        self._step(_A.REJECT, self._cast.manager, 1, 2, note=self._plan.choice("rejection", _REJECTIONS))

    def _submit(self) -> None:
        self._step(_A.SUBMIT, self._cast.buyer, 1, 1)

    def _approve(self) -> None:
        amount = self._history.order.amount
        assert amount is not None, "what was submitted has a price"
        is_within_limit = amount <= self._cast.project.approval_limit
        self._step(_A.APPROVE, self._cast.manager if is_within_limit else _DIRECTOR, 1, 3)

    def _release(self) -> None:
        if self._plan.contractor is None:
            self._assign(
                (self._cast.foreman, "班组长 Crew lead"),
                (self._cast.worker, self._plan.choice("trade", _TRADES)),
            )
        elif self._plan.pick("supervised", 3) == 0:
            self._assign((self._cast.foreman, "现场监督 Site supervision"))
        self._step(_A.RELEASE, self._cast.manager, 1, 2)

    def _assign(self, *people: tuple[Person, str]) -> None:
        order = self._history.order

        def assign() -> None:
            moment = self._moment(_A.ASSIGN)
            self._history.assignments += [
                AssignmentRow(
                    id=fixed_id(moment, f"assignment.{order.number}.{person.username}"),
                    order_id=order.id,
                    user_id=person.id,
                    task=task,
                    assigned_at=moment,
                )
                for person, task in people
            ]

        self._step(_A.ASSIGN, self._cast.manager, 1, 1, change=assign)

    def _work(self) -> None:
        self._step(_A.START, self._performer, 2, 8)
        for percent in (25, 55, 80)[: 1 + self._plan.pick("reports", 3)]:
            self._report(Decimal(percent + self._plan.pick(f"report.{percent}", 15)))
            if percent == 25 and self._plan.pick("interrupted", 6) == 0:
                self._hold()
                self._step(_A.RESUME, self._in_charge, 4, 15)

    def _report(self, percent: Decimal) -> None:
        day = self._pass(5, 18)
        reported = self._moment(_A.REPORT_PROGRESS)
        # Site reports often arrive after the phone found a network again.
        happened = reported - timedelta(minutes=self._plan.pick(f"late.{day}", 4) * 45)

        def set_done() -> None:
            for line in self._history.lines:
                line.done_quantity = max(line.done_quantity, self._done(line, percent))
                line.progress_at = happened

        note = self._plan.choice(f"report.{day}", _REPORTS)
        self._step(
            _A.REPORT_PROGRESS, self._performer, 0, 0, note=note, occurred_at=happened, change=set_done
        )

    def _done(self, line: OrderLineRow, percent: Decimal) -> Decimal:
        if percent >= _WHOLE:
            is_over = line.position == 1 and line.uom not in COUNTED and self._plan.pick("over", 4) == 0
            return quantity_at(line.quantity, _OVER_DELIVERED if is_over else _WHOLE)
        # Later lines lag behind earlier ones.
        reached = quantity_at(line.quantity, max(percent - 5 * line.position, Decimal(0)))
        return _whole(reached) if line.uom in COUNTED or line.quantity == 1 else reached

    def _complete(self) -> None:
        self._report(_WHOLE)
        self._step(_A.COMPLETE, self._performer, 1, 3)

    def _accept(self) -> None:
        is_large = (self._history.order.amount or 0) > self._cast.project.approval_limit
        self._step(_A.ACCEPT, _DIRECTOR if is_large else self._cast.manager, 3, 9, note="验收合格。Accepted.")

    def _settle(self) -> None:
        self._step(_A.SETTLE, _FINANCE, 5, 20)

    def _hold(self) -> None:
        self._step(_A.HOLD, self._in_charge, 2, 6, note=self._plan.choice("hold", _HOLDS))

    def _cancel(self) -> None:
        note = self._plan.choice("cancellation", _CANCELLATIONS)
        self._step(
            _A.CANCEL, self._plan.choice("canceller", (self._cast.manager, _DIRECTOR)), 1, 3, note=note
        )

    @property
    def _performer(self) -> Person:
        contractor = self._plan.contractor
        return self._cast.foreman if contractor is None else _AGENTS[contractor.code]

    @property
    def _in_charge(self) -> Person:
        """Return who may stop and resume the work: a contractor may not."""
        return self._cast.foreman if self._plan.contractor is None else self._cast.manager

    def _step(
        self,
        action: OrderAction,
        actor: Person,
        least_days: int,
        most_days: int,
        *,
        note: str | None = None,
        occurred_at: datetime | None = None,
        change: Callable[[], None] | None = None,
    ) -> None:
        """Let days pass, then take the step."""
        self._pass(least_days, most_days)
        self._history.step(
            action,
            actor,
            self._moment(action),
            approval_limit=self._cast.project.approval_limit,
            note=note,
            occurred_at=occurred_at,
            change=change,
        )

    def _pass(self, least_days: int, most_days: int) -> date:
        self._day += timedelta(
            days=least_days + self._plan.pick(f"days.{self._day}", most_days - least_days + 1)
        )
        assert self._day < _END, "the demo company's past ends before its present"
        return self._day

    def _moment(self, action: OrderAction) -> datetime:
        return working_moment(self._day, f"{self._plan.number}.{action}")

    def _priced_lines(self) -> list[tuple[OrderLineRow, Material]]:
        return list(zip(self._history.lines, self._plan.work.materials, strict=True))


def _created(plan: OrderPlan) -> OrderHistory:
    moment = working_moment(plan.day, plan.number)
    project, work = plan.cast.project, plan.work
    start = plan.day + timedelta(days=10 + plan.pick("start", 15))
    end = start + timedelta(days=30 + plan.pick("length", 46))
    order = blank_order(plan.number, moment)
    order.title = f"{work.title} · {plan.place}"
    drawing = f"{project.code}-{plan.pick('drawing', 90) + 10}"
    order.description = plan.choice(
        "description", (None, f"按施工图 {drawing} 施工。", f"Work as shown on drawing {drawing}.")
    )
    order.kind = work.kind
    order.priority = plan.priority
    order.project_id = project.id
    order.customer_id = plan.customer.id
    order.contractor_id = plan.contractor.id if plan.contractor else None
    order.wbs_node_id = project.wbs_id(work.wbs)
    order.cost_code_id = COST_CODE_BY_CODE[work.cost_code].id
    order.planned_start = start
    order.planned_end = end
    order.due_on = end + timedelta(days=14)
    order.currency = CURRENCY
    lines = [
        OrderLineRow(
            id=fixed_id(moment, f"line.{plan.number}.{position}"),
            order_id=order.id,
            position=position,
            item=material.item,
            description=material.description,
            quantity=_quantity(plan, position, material),
            uom=material.uom,
            unit_price=None,
            amount=None,
            done_quantity=rounded(Decimal(0), QUANTITY_PLACES),
            progress_at=None,
        )
        for position, material in enumerate(work.materials, 1)
    ]
    return OrderHistory(order, lines, plan.cast.engineer)


def _quantity(plan: OrderPlan, position: int, material: Material) -> Decimal:
    usual = Decimal(material.quantity)
    if material.quantity == 1:
        return rounded(usual, QUANTITY_PLACES)
    wanted = usual * (60 + plan.pick(f"quantity.{position}", 81)) / 100
    if material.uom in COUNTED:
        return max(_whole(wanted), rounded(Decimal(1), QUANTITY_PLACES))
    return rounded(rounded(wanted, 1), QUANTITY_PLACES)


def _whole(quantity: Decimal) -> Decimal:
    return rounded(quantity.to_integral_value(ROUND_FLOOR), QUANTITY_PLACES)
