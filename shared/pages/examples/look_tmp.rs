//! throwaway
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
#[tokio::main]
async fn main() {
    let dataset = Dataset::new(Size { articles: 260, ..Size::default() }, 1);
    for i in 0..3 {
        println!("{:?}", dataset.user(i));
    }
    println!("{}", dataset.article(259).slug);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4711").await.unwrap();
    axum::serve(listener, pages::router(InMemory::new(&dataset), pages::Settings::default()))
        .await
        .unwrap();
}
