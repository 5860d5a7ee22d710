use contract::{databases, dataset::{Dataset, Size}, seed};
#[tokio::test]
async fn speed() {
    for d in databases::empty().await {
        let app = d.connect().await;
        let ds = Dataset::new(Size { articles: 10_000, ..Size::default() }, 1);
        let t = std::time::Instant::now();
        let mut n = 0; for i in 0..10_000 { n += ds.article(i).body.len() + ds.comments(i).len() + ds.favorites(i).len(); }
        println!("generate {n}: {:?}", t.elapsed());
        let t = std::time::Instant::now();
        seed::load(app.db(), &ds, |_, _| {}).await.unwrap();
        println!("SPEED {} {} rows {:?}", d.engine, ds.rows(), t.elapsed());
    }
}
