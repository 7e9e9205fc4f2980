//! The orders that can be moved next: one is picked uniformly at random among those
//! that no step in flight is about.

use crate::{
    card::{Card, Way},
    failure::Failure,
    shop,
};

/// All orders that can be drawn.
#[derive(Debug)]
pub(crate) struct Deck {
    free: Vec<Card>,
    random: fastrand::Rng,
    orders: usize,
}

/// Every run draws the same orders.
const SEED: u64 = 20_261_122;

impl Deck {
    /// A deck of the orders from 0, which are open but for those whose numbers are given.
    pub(crate) fn new(orders: usize, packed: &[usize]) -> Self {
        let card = |number| Card {
            number,
            way: Way::Pack,
        };
        let mut free = (0..orders).map(card).collect::<Vec<_>>();
        for number in packed {
            if let Some(card) = free.get_mut(*number) {
                card.way = Way::Unpack;
            }
        }
        Self {
            free,
            random: fastrand::Rng::with_seed(SEED),
            orders,
        }
    }

    /// Draws an order that is not in flight.
    pub(crate) fn draw(&mut self) -> Result<Card, Failure> {
        if self.free.is_empty() {
            return Err(Failure::TooFewOrders {
                wanted: self.orders.saturating_add(1),
                orders: self.orders,
            });
        }
        let pick = self.random.usize(0..self.free.len());
        Ok(self.free.swap_remove(pick))
    }

    /// Draws many orders at once.
    pub(crate) fn deal(&mut self, count: usize) -> Result<Vec<Card>, Failure> {
        (0..count).map(|_| self.draw()).collect()
    }

    /// Takes back an order that moved as its card said.
    pub(crate) fn moved(&mut self, card: Card) {
        self.free.push(Card {
            number: card.number,
            way: card.way.next(),
        });
    }

    /// The id of any order, in flight or not.
    pub(crate) fn any(&mut self) -> String {
        shop::order_id(self.random.usize(0..self.orders.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_in_flight_is_not_drawn_and_comes_back_the_other_way() {
        let mut deck = Deck::new(3, &[1]);
        let cards = deck.deal(3).unwrap();
        let mut numbers = cards.iter().map(|card| card.number).collect::<Vec<_>>();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
        assert!(deck.draw().is_err());
        for card in cards {
            assert_eq!(card.way == Way::Unpack, card.number == 1);
            deck.moved(card);
        }
        for card in deck.deal(3).unwrap() {
            assert_eq!(card.way == Way::Pack, card.number == 1);
        }
    }

    #[test]
    fn orders_are_drawn_evenly() {
        let mut deck = Deck::new(10, &[]);
        let mut drawn = [0; 10];
        for _ in 0..10_000 {
            let card = deck.draw().unwrap();
            drawn[card.number] += 1;
            deck.moved(card);
        }
        assert!(drawn.iter().all(|times| (800..1_200).contains(times)));
    }
}
